// Keeps the K = ceil(T d) highest scores of each row; ties go to the earlier token. Not causal: who
// is kept depends on the whole row.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/selection/selectors/selectors.h"

namespace sublab {

int64_t kept_tokens(int64_t length, double retention) {
  constexpr double kSlack = 1e-9;  // 0.64 * 25 is a little above 16 in floating point
  const double product = static_cast<double>(length) * retention;
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(product - kSlack)), 0, length);
}

std::vector<int64_t> descending_order(const double* scores, int64_t n) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [scores](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  return order;
}

namespace top_k {

Selection select(const SelectorInput& input) {
  const at::Tensor scores = input.scores.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto* values = scores.const_data_ptr<double>();
  std::vector<int64_t> index, lengths;
  for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
    const int64_t begin = input.rows.begin(b), n = input.rows.length(b);
    const int64_t k = kept_tokens(n, input.retention);
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
