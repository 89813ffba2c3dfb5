// SUBLLM's training rule: top-k, with the weights of the discarded tokens subtracted from those of
// the kept ones. With a = clamp(s, 0, 1) sorted from high to low and K = ceil(T d),
//
//   e   = a[K : min(2K, T)], padded with zeros to length K; reversed when the coin says so
//   w_i = a_i - e_i, i < K
//
// so that a positive weight on a discarded token costs something, and a hard cut is honest only
// where the weight has reached 0 already. One coin per forward pass. Gradients reach kept and
// discarded tokens through the clamp. Source: the training code of SUBLLM's ancestor (icefall,
// subformer_for_quandong); SUBLLM's own is unpublished.
#include <algorithm>

#include "models/selection/ranking.h"

namespace sublab {
namespace top_k_discard {

struct Kept {
  int64_t token;
  int64_t paired;  ///< the discarded token whose weight is subtracted, or `none`
};

std::vector<Kept> keep_row(const double* scores, int64_t n, int64_t k, bool reverse, int64_t none) {
  const std::vector<int64_t> order = descending_order(scores, n);
  std::vector<Kept> kept(k);
  for (int64_t i = 0; i < k; ++i) {
    const int64_t partner = k + (reverse ? k - 1 - i : i);
    kept[i] = {order[i], partner < n ? order[partner] : none};
  }
  std::sort(kept.begin(), kept.end(),
            [](const Kept& a, const Kept& b) { return a.token < b.token; });
  return kept;
}

Selection select(const SelectorInput& input) {
  const bool reverse = input.run.coins && input.run.coins->flip("discard_flip", input.module, 0.5);
  const at::Tensor scores = input.scores.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto* values = scores.const_data_ptr<double>();
  const int64_t zero = input.rows.n_tokens();  // place of the padding zero behind the weights
  std::vector<int64_t> index, paired, lengths;
  for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
    const int64_t begin = input.rows.begin(b), n = input.rows.length(b);
    const int64_t k = kept_tokens(n, input.retention, input.rounding);
    for (const Kept& kept : keep_row(values + begin, n, k, reverse, zero - begin)) {
      index.push_back(begin + kept.token);
      paired.push_back(begin + kept.paired);
    }
    lengths.push_back(k);
  }
  const auto device = input.scores.device();
  const at::Tensor chosen = at::tensor(index, at::kLong).to(device);
  const at::Tensor weights = at::constant_pad_nd(input.scores.clamp(0, 1), {0, 1}, 0);
  return {chosen,
          weights.index_select(0, chosen) -
              weights.index_select(0, at::tensor(paired, at::kLong).to(device)),
          lengths};
}

}  // namespace top_k_discard

SelectorEntry top_k_discard_selector() {
  return {"top_k_discard", "SUBLLM's training rule: top-k minus the weights of the discarded",
          "arXiv:2406.06571", false, top_k_discard::select};
}

}  // namespace sublab
