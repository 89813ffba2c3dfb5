// A linear map of the residual stream, trained through the gate: s_t = w . x_t  (SUBLLM,
// arXiv:2406.06571). No bias, no norm on its input, no auxiliary loss.
#include <cmath>

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
  }

  at::Tensor scores(const ScorerInput& input) const override {
    return at::linear(input.x, weight_).squeeze(1);
  }

  std::vector<Parameter> parameters() const override {
    return {{name_, weight_, learning_rate_scale_, true}};
  }

  void add_cost(Ledger& ledger, int64_t level, double tokens, double bytes) const override {
    ledger.add(
        linear_cost("scorer", -1, level, tokens, static_cast<double>(weight_.size(1)), 1, bytes));
  }

 private:
  std::string name_;
  at::Tensor weight_;  // [1, D]
  double learning_rate_scale_;
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
