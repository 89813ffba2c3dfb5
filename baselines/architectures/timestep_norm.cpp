// Moments of a prefix from two running sums of non-negative terms, so that nothing cancels.
#include "baselines/architectures/timestep_norm.h"

#include "models/wide_type.h"

namespace sublab {

TimestepNorm::TimestepNorm(std::string name, int64_t d_model, int64_t n_groups, double epsilon,
                           const Initial& initial)
    : name_(std::move(name)),
      n_groups_(n_groups),
      epsilon_(epsilon),
      weight_(constant_parameter({d_model}, 0, initial)),
      bias_(constant_parameter({d_model}, 0, initial)) {}

TimestepMoments TimestepNorm::no_moments(int64_t n_rows, const at::TensorOptions& like) const {
  const auto wide = like.dtype(wide_type(like));
  return {at::zeros({n_rows, n_groups_}, wide), at::ones({n_rows, n_groups_}, wide)};
}

void TimestepNorm::add_parameters(std::vector<Parameter>& out) const {
  out.push_back({name_ + ".weight", weight_, 1.0, true});
  out.push_back({name_ + ".bias", bias_, 1.0, true});
}

// With mu_t and s_t the moments of token t's own features, the merge n v' = (n - 1) v + s_t +
// (n - 1)/n (mu_t - m)^2 sums up: n_t v_t = n_0 v_0 + sum_{s <= t} (s_s + (n_s - 1)/n_s (mu_s -
// m_{s-1})^2).
at::Tensor TimestepNorm::operator()(const at::Tensor& x_in, const at::Tensor& counts,
                                    TimestepMoments* moments) const {
  const at::Tensor x = x_in.scalar_type() == at::kDouble ? x_in : x_in.to(at::kFloat);
  const int64_t rows = x.size(0), length = x.size(1);
  const TimestepMoments from = moments ? *moments : no_moments(rows, x.options());
  const at::Tensor before = counts.to(x.scalar_type()).view({rows, 1, 1});
  const at::Tensor n = at::arange(1, length + 1, x.options()).view({1, length, 1}) + before;
  const at::Tensor grouped = x.view({rows, length, n_groups_, -1});
  const at::Tensor own_mean = grouped.mean(-1);  // [R, T, G]
  const at::Tensor own_variance = (grouped - own_mean.unsqueeze(-1)).square().mean(-1);
  const at::Tensor first = from.mean.unsqueeze(1);
  const at::Tensor mean = (own_mean.cumsum(1) + first * before) / n;
  const at::Tensor change = own_mean - at::cat({first, mean.slice(1, 0, length - 1)}, 1);
  const at::Tensor spread = (own_variance + change.square() * ((n - 1) / n)).cumsum(1);
  const at::Tensor variance = (spread + from.variance.unsqueeze(1) * before) / n;
  if (moments) *moments = {mean.select(1, length - 1), variance.select(1, length - 1)};
  const at::Tensor y = (grouped - mean.unsqueeze(-1)) * (variance + epsilon_).rsqrt().unsqueeze(-1);
  return scaled(y.view(x.sizes()).to(x_in.scalar_type()));
}

at::Tensor TimestepNorm::naive(const at::Tensor& x, const at::Tensor& counts,
                               TimestepMoments* moments) const {
  TimestepMoments now = moments ? *moments : no_moments(x.size(0), x.options());
  at::Tensor n = counts.to(x.scalar_type()).unsqueeze(1);
  std::vector<at::Tensor> out;
  for (const at::Tensor& token : x.unbind(1)) {
    const at::Tensor grouped = token.view({token.size(0), n_groups_, -1});
    n = n + 1;
    const at::Tensor share = 1 / n, own_mean = grouped.mean(-1);
    const at::Tensor own_variance = (grouped - own_mean.unsqueeze(-1)).square().mean(-1);
    const at::Tensor apart = own_mean - now.mean;
    now.variance =
        (1 - share) * now.variance + share * own_variance + (1 - share) * share * apart.square();
    now.mean = (1 - share) * now.mean + share * own_mean;
    out.push_back(
        ((grouped - now.mean.unsqueeze(-1)) / (now.variance + epsilon_).sqrt().unsqueeze(-1))
            .flatten(1));
  }
  if (moments) *moments = now;
  return scaled(at::stack(out, 1));
}

}  // namespace sublab
