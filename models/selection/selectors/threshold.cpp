// Keeps every token whose score is above the threshold: s_t > 0, once what was calibrated and
// `threshold` are subtracted. Causal: a decision looks at the token's own score alone. This is
// SUBLLM's rule at inference; `threshold` dials one trained model between quality and cost.
#include "models/selection/kept_where.h"

namespace sublab {
namespace threshold {

struct Config {
  double threshold = 0;

  template <class F>
  void fields(F& f) {
    f("threshold", threshold, "added to the threshold of every site", within(-1e6, 1e6));
  }
};

class Threshold : public Selector {
 public:
  explicit Threshold(const Config& config)
      : threshold_(at::full({}, config.threshold, at::kDouble)) {}

  Selection select(const SelectorInput& input) const override { return kept_above_zero(input); }

  at::Tensor threshold() const override { return threshold_; }

 private:
  at::Tensor threshold_;  // scalar
};

}  // namespace threshold

SelectorEntry threshold_selector() {
  SelectorEntry entry = selector_entry<threshold::Threshold, threshold::Config>(
      "threshold", "keeps a token iff its score is above the threshold", "arXiv:2406.06571");
  entry.causal = true;
  entry.examples = {{}, {"raised", {{"threshold", 0.1}}}};
  return entry;
}

}  // namespace sublab
