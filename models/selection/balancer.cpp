// The balancer: the identity on scores forward, another gradient backward.
#include "models/selection/balancer.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

namespace sublab {
namespace balancer {

class Balance : public torch::autograd::Function<Balance> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& scores,
                            const Balancer& balancer) {
    context->save_for_backward({scores});
    context->saved_data["limits"] = std::vector<double>{balancer.retention, balancer.strength,
                                                        balancer.min_abs, balancer.max_abs};
    return scores.view_as(scores);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const std::vector<double> limits = context->saved_data["limits"].toDoubleVector();
    const Balancer balancer{limits[0], limits[1], limits[2], limits[3]};
    return {balancer.balance(context->get_saved_variables()[0], grads[0]), at::Tensor()};
  }
};

constexpr double kRmsPerAbs = 1.25331;

double mean_limit(double positive_share) {
  const double clamped = std::min(std::max(positive_share, 1e-4), 1 - 1e-4);
  return 0.81395 * std::atanh(2 * clamped - 1);
}

/// Of a single number. On the CPU as the standard rounds it: a CPU tensor's sqrt() is off by a last
/// digit now and then.
at::Tensor root(const at::Tensor& x) {
  return x.is_cpu() ? at::full_like(x, std::sqrt(x.item<double>())) : x.sqrt();
}

}  // namespace balancer

at::Tensor Balancer::operator()(const at::Tensor& scores) const {
  return balancer::Balance::apply(scores, *this);
}

at::Tensor Balancer::balance(const at::Tensor& scores, const at::Tensor& grad) const {
  if (scores.numel() == 0) return grad;
  // Single numbers stay on the device: nothing here makes the host wait.
  const at::Tensor x = scores.detach().to(at::kDouble);
  const double n = static_cast<double>(x.numel());
  const at::Tensor mu = x.mean(), square = x.square().mean();
  const at::Tensor sigma = balancer::root((square - mu * mu).clamp_min(1e-20));
  const at::Tensor r = balancer::root(square.clamp_min(1e-20));
  const double low = balancer::mean_limit(retention - 0.05);
  const double high = balancer::mean_limit(retention + 0.05);
  // 1 above, -1 below, 0 between: where both are 0, the gradient stays as it is.
  const auto side = [](const at::Tensor& value, double lo, double hi) {
    return value.gt(hi).to(at::kDouble) - value.lt(lo).to(at::kDouble);
  };
  const at::Tensor sm = side(mu / sigma, low, high);
  const at::Tensor sr = side(r, balancer::kRmsPerAbs * min_abs, balancer::kRmsPerAbs * max_abs);
  const at::Tensor g =
      sm * (1 / sigma - mu * (x - mu) / (sigma * sigma * sigma)) / n + sr * x / (n * r * r);
  const at::Tensor rms = balancer::root(g.square().mean().clamp_min(1e-40));
  const at::Tensor factor = at::full_like(rms, strength) / rms;
  return grad + grad.abs() * (g * factor).to(grad.scalar_type());
}

at::Tensor Balancer::loss(const at::Tensor& scores) const {
  if (scores.numel() == 0) return at::zeros({}, scores.options());
  const at::Tensor mu = scores.mean(), square = scores.square().mean();
  const at::Tensor m = mu / (square - mu * mu).clamp_min(1e-20).sqrt();
  const at::Tensor r = square.clamp_min(1e-20).sqrt();
  const double low = balancer::mean_limit(retention - 0.05);
  const double high = balancer::mean_limit(retention + 0.05);
  const at::Tensor inside = r.clamp(balancer::kRmsPerAbs * min_abs, balancer::kRmsPerAbs * max_abs);
  return (m - m.clamp(low, high)).abs() + (inside / r).log().abs();
}

}  // namespace sublab
