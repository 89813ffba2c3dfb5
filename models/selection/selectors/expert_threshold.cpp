// A threshold that follows training (expert threshold routing, arXiv:2603.11535): a token is kept
// iff its score is above theta, the running mean of the score that a share d of a pass lies above,
//
//   theta <- theta + rate (q_{1-d}(s) - theta)   after every training pass.
//
// Causal, and one number per site, stored in the checkpoint. It is subtracted from scores in
// training too, so that a gate that reads them is 0 at the cut: whatever the scores' mean does, a
// share near d of them lies above 0, and neither an open nor a closed site is absorbing.
#include <algorithm>
#include <cmath>

#include "models/selection/kept_where.h"

namespace sublab {
namespace expert_threshold {

struct Config {
  double rate = 0.01;
  double threshold = 0;

  template <class F>
  void fields(F& f) {
    f("rate", rate, "of the running mean, per training pass", above(0, 1));
    f("threshold", threshold, "added to what was learned, at every site; dials a trained model",
      within(-1e6, 1e6));
  }
};

/// Between the lowest score of the highest share d and the next one; undefined where nothing is
/// left on one side.
at::Tensor cut_of(const at::Tensor& scores, double retention) {
  const int64_t n = scores.numel();
  const int64_t below = n - std::llround(retention * static_cast<double>(n));
  if (below < 1 || below >= n) return {};
  return std::get<0>(scores.sort()).narrow(0, below - 1, 2).mean();
}

class ExpertThreshold : public Selector {
 public:
  ExpertThreshold(const Config& config, const SelectorContext& context)
      : config_(config), threshold_(at::zeros({}, context.options.dtype(at::kDouble))) {}

  Selection select(const SelectorInput& input) const override { return kept_above_zero(input); }

  /// Scores have the threshold subtracted already: what is left of the quantile is the error. Ranks
  /// that share a step agree on the mean of theirs.
  void learn(const SelectorInput& input) const override {
    at::Tensor cut = cut_of(input.scores.detach().to(at::kDouble), input.retention);
    if (const Group* group = input.run.group; group && group->size() > 1) {
      at::Tensor sum = at::stack({cut.defined() ? cut : at::zeros_like(threshold_),
                                  at::full_like(threshold_, cut.defined() ? 1.0 : 0.0)});
      group->all_reduce_sum_(sum);
      cut = sum[0] / sum[1].clamp_min(1);
    }
    if (cut.defined()) threshold_.add_(cut, config_.rate);
  }

  bool take_cut(double cut) const override {
    threshold_.fill_(cut);
    return true;
  }

  std::vector<Buffer> buffers() const override { return {{"threshold", threshold_}}; }
  at::Tensor threshold() const override {
    return config_.threshold == 0 ? threshold_ : threshold_ + config_.threshold;
  }

 private:
  Config config_;
  at::Tensor threshold_;  // scalar
};

}  // namespace expert_threshold

SelectorEntry expert_threshold_selector() {
  SelectorEntry entry = selector_entry<expert_threshold::ExpertThreshold, expert_threshold::Config>(
      "expert_threshold", "keeps a token iff its score is above what the cut was in training",
      "arXiv:2603.11535");
  entry.causal = true;
  return entry;
}

}  // namespace sublab
