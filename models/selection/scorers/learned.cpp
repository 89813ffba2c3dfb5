// A linear map of the residual stream, trained through the gate: s_t = w . x_t  (SUBLLM,
// arXiv:2406.06571). No bias, no auxiliary loss. The paper puts no norm on its input; with input
// `normed`, x_t is divided by its root mean square first, so that scores do not leave (0, 1), where
// the gate lets gradients through, just because the stream grows.
#include <cmath>

#include "models/kernels/rms_norm.h"
#include "models/selection/scorer.h"

namespace sublab {
namespace learned {

struct Config {
  std::string input = "raw";
  double init_std = 0;
  double learning_rate_scale = 0.5;

  template <class F>
  void fields(F& f) {
    f("input", input, "raw = the residual stream; normed = divided by its root mean square",
      one_of({"raw", "normed"}));
    f("init_std", init_std, "0 = uniform in +-d_model^-0.5", within(0, 100));
    f("learning_rate_scale", learning_rate_scale, "of its weights", within(0, 100));
  }
};

class Learned : public Scorer {
 public:
  Learned(const Config& config, const ScorerContext& context)
      : config_(config), name_(context.name + ".weight"), norm_epsilon_(context.norm_epsilon) {
    // torch's default for a linear map to one output: uniform in +-d_model^-0.5.
    const double bound = 1 / std::sqrt(static_cast<double>(context.d_model));
    const std::vector<int64_t> shape = {1, context.d_model};
    weight_ = config.init_std == 0
                  ? uniform_parameter(name_, shape, bound, context.initial)
                  : normal_parameter(name_, shape, config.init_std, context.initial);
  }

  at::Tensor scores(const ScorerInput& input) const override {
    const at::Tensor x =
        config_.input == "normed"
            ? rms_norm(input.x, at::ones({input.x.size(1)}, input.x.options()), norm_epsilon_)
            : input.x;
    return at::linear(x, weight_).squeeze(1);
  }

  std::vector<Parameter> parameters() const override {
    return {{name_, weight_, config_.learning_rate_scale, true}};
  }

  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    LedgerLine line = linear_cost("scorer", -1, shape.level, shape.n_tokens(),
                                  static_cast<double>(weight_.size(1)), 1, shape.bytes_per_number);
    line.bytes *= shape.reached;
    ledger.add(line);
  }

 private:
  Config config_;
  std::string name_;
  double norm_epsilon_;
  at::Tensor weight_;  // [1, D]
};

}  // namespace learned

ScorerEntry learned_scorer() {
  ScorerEntry entry = scorer_entry<learned::Learned, learned::Config>(
      "learned", "linear map of the residual stream, trained through the gate", "arXiv:2406.06571");
  entry.weighs = true;
  // Scores of a new scorer are near 0; larger ones keep and drop in a small model, too.
  entry.examples = {{"", {{"init_std", 0.5}}},
                    {"normed", {{"init_std", 0.5}, {"input", "normed"}}}};
  return entry;
}

}  // namespace sublab
