// Keeps the K = ceil(T d) highest scores of each row; ties go to the earlier token. Not causal: who
// is kept depends on the whole row.
#include <algorithm>

#include "models/selection/ranking.h"

namespace sublab {

namespace top_k {

Selection select(const SelectorInput& input) {
  const at::Tensor scores = input.scores.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto* values = scores.const_data_ptr<double>();
  std::vector<int64_t> index, lengths;
  for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
    const int64_t begin = input.rows.begin(b), n = input.rows.length(b);
    const int64_t k = kept_tokens(n, input.retention, input.rounding);
    std::vector<int64_t> order = descending_order(values + begin, n);
    std::sort(order.begin(), order.begin() + k);
    for (int64_t i = 0; i < k; ++i) index.push_back(begin + order[i]);
    lengths.push_back(k);
  }
  const at::Tensor chosen = at::tensor(index, at::kLong).to(input.scores.device());
  return {chosen, input.scores.index_select(0, chosen).clamp(0, 1), lengths};
}

}  // namespace top_k

SelectorEntry top_k_selector() {
  return {"top_k", "keeps the K = ceil(T d) highest scores of the row (not causal)",
          "arXiv:2404.02258", false, top_k::select};
}

}  // namespace sublab
