// Keeps every token whose score is above the threshold: s_t > 0. Causal: a decision looks at the
// token's own score alone. This is SUBLLM's rule at inference.
#include "models/selection/scorer.h"

namespace sublab {
namespace threshold {

Selection select(const SelectorInput& input) {
  const at::Tensor kept = input.scores.detach().gt(0).to(at::kCPU).contiguous();
  const auto* keep = kept.const_data_ptr<bool>();
  std::vector<int64_t> index, lengths(input.rows.n_rows(), 0);
  for (int64_t b = 0; b < input.rows.n_rows(); ++b)
    for (int64_t t = input.rows.begin(b); t < input.rows.begin(b) + input.rows.length(b); ++t)
      if (keep[t]) {
        index.push_back(t);
        ++lengths[b];
      }
  const at::Tensor chosen = at::tensor(index, at::kLong).to(input.scores.device());
  return {chosen, input.scores.index_select(0, chosen).clamp(0, 1), lengths};
}

}  // namespace threshold

SelectorEntry threshold_selector() {
  return {"threshold", "keeps a token iff its score is above the threshold", "arXiv:2406.06571",
          true, threshold::select};
}

}  // namespace sublab
