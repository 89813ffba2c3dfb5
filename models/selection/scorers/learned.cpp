// A linear map of the residual stream, trained through the gate: s_t = w . x_t  (SUBLLM,
// arXiv:2406.06571). No bias, no auxiliary loss. The paper puts no norm on its input (`raw`);
// `normed` divides x_t by its root mean square first, so that scores do not leave (0, 1), where the
// gate lets gradients through, just because the stream grows. The paper's also starts larger and
// learns faster: init_scale 1, learning_rate_scale 0.5.
#include "models/selection/projection.h"

namespace sublab {
namespace learned {

struct Config : ProjectionConfig {
  double learning_rate_scale = 0.1;

  template <class F>
  void fields(F& f) {
    ProjectionConfig::fields(f);
    f("learning_rate_scale", learning_rate_scale, "of its weights", within(0, 100));
  }
};

class Learned : public Scorer {
 public:
  Learned(const Config& config, const ScorerContext& context)
      : projection_(config, context), learning_rate_scale_(config.learning_rate_scale) {}

  at::Tensor scores(const ScorerInput& input) const override { return projection_.scores(input.x); }
  std::vector<Parameter> parameters() const override {
    return {{projection_.name(), projection_.weight(), learning_rate_scale_, true}};
  }
  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    projection_.add_cost(shape, ledger);
  }

 private:
  Projection projection_;
  double learning_rate_scale_;
};

}  // namespace learned

ScorerEntry learned_scorer() {
  ScorerEntry entry = scorer_entry<learned::Learned, learned::Config>(
      "learned", "linear map of the residual stream, trained through the gate", "arXiv:2406.06571");
  entry.weighs = true;
  // Scores of a new scorer are near 0; larger ones keep and drop in a small model, too.
  entry.examples = {{"", {{"init_std", 0.5}}}, {"raw", {{"init_std", 0.5}, {"input", "raw"}}}};
  return entry;
}

}  // namespace sublab
