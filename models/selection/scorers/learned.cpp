// A linear map of the residual stream, trained through the gate: s_t = w . x_t  (SUBLLM,
// arXiv:2406.06571). No bias, no auxiliary loss. The paper puts no norm on its input; with
// scorer_input `normed`, x_t is divided by its root mean square first, so that scores do not leave
// (0, 1), where the gate lets gradients through, just because the stream grows.
#include <cmath>

#include "models/kernels/rms_norm.h"
#include "models/selection/scorer.h"

namespace sublab {
namespace learned {

class Learned : public Scorer {
 public:
  explicit Learned(const ScorerContext& context) : name_(context.name + ".weight") {
    // torch's default for a linear map to one output: uniform in +-d_model^-0.5.
    const double std_dev = context.options.value("scorer_init_std", 0.0);
    const double bound = 1 / std::sqrt(static_cast<double>(context.d_model));
    weight_ = normal_parameter(name_, {1, context.d_model}, std_dev, context.initial);
    if (std_dev == 0 && !context.initial.shapes_only) {
      at::NoGradGuard no_grad;
      weight_.uniform_(-bound, bound, generator(context.initial.seed, "init/" + name_));
    }
    learning_rate_scale_ = context.options.value("scorer_learning_rate_scale", 1.0);
    norm_epsilon_ = context.options.value("norm_epsilon", 1e-5);
    normed_ = context.options.value("scorer_input", "raw") == "normed";
  }

  at::Tensor scores(const ScorerInput& input) const override {
    const at::Tensor x =
        normed_ ? rms_norm(input.x, at::ones({input.x.size(1)}, input.x.options()), norm_epsilon_)
                : input.x;
    return at::linear(x, weight_).squeeze(1);
  }

  std::vector<Parameter> parameters() const override {
    return {{name_, weight_, learning_rate_scale_, true}};
  }

  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    ledger.add(linear_cost("scorer", -1, shape.level, shape.n_tokens(),
                           static_cast<double>(weight_.size(1)), 1, shape.bytes_per_number));
  }

 private:
  std::string name_;
  at::Tensor weight_;  // [1, D]
  double learning_rate_scale_, norm_epsilon_;
  bool normed_;
};

}  // namespace learned

ScorerEntry learned_scorer() {
  return {"learned",
          "linear map of the residual stream, trained through the gate",
          "arXiv:2406.06571",
          true,
          true,
          true,
          [](const ScorerContext& context) { return std::make_unique<learned::Learned>(context); }};
}

}  // namespace sublab
