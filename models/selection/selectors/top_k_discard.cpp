// SUBLLM's training rule: top-k, with the weights of the discarded tokens subtracted from those of
// the kept ones. With a the weights of a row sorted by score from high to low and K = T d,
//
//   e   = a[K : min(2K, T)], padded with zeros to length K; reversed when the coin says so
//   w_i = a_i - e_i, i < K
//
// so that a positive weight on a discarded token costs something, and a hard cut is honest only
// where the weight has reached 0 already. One coin per forward pass. Gradients reach kept and
// discarded tokens through the gate. Source: the training code of SUBLLM's ancestor (icefall,
// subformer_for_quandong); SUBLLM's own is unpublished.
#include "models/selection/selector.h"

namespace sublab {
namespace top_k_discard {

/// Kept tokens and the discarded token whose weight is subtracted from each, packed.
struct Pairs {
  at::Tensor kept, discarded;
};

/// Of rows of one length. `nobody` is the index that stands where no token was discarded.
Pairs pairs_of(const RankedRows& ranked, int64_t k, bool reverse, int64_t nobody) {
  const int64_t n = ranked.order.size(1), partners = std::min(2 * k, n) - k;
  const auto [kept, place] = ranked.order.narrow(1, 0, k).sort(1);
  const at::Tensor lost = packed_index(ranked.order.narrow(1, k, partners), ranked.begins);
  at::Tensor paired = at::constant_pad_nd(lost, {0, k - partners}, nobody);
  if (reverse) paired = paired.flip(1);
  return {packed_index(kept, ranked.begins).flatten(), paired.gather(1, place).flatten()};
}

class TopKDiscard : public Selector {
 public:
  explicit TopKDiscard(const RankingConfig& config) : config_(config) {}

  Selection select(const SelectorInput& input) const override {
    const bool reverse = input.run.coins && input.run.coins->flip("discard_flip", input.site, 0.5);
    std::vector<at::Tensor> kept, discarded;
    for (const RankedRows& ranked : ranked_rows(input.scores, input.rows)) {
      const int64_t k = expected(ranked.order.size(1), input.retention);
      Pairs pairs = pairs_of(ranked, k, reverse, input.rows.n_tokens());
      kept.push_back(std::move(pairs.kept));
      discarded.push_back(std::move(pairs.discarded));
    }
    Selection out;
    for (const int64_t length : input.rows.lengths())
      out.lengths.push_back(expected(length, input.retention));
    if (kept.empty()) {
      out.index = at::empty({0}, input.scores.options().dtype(at::kLong));
      return out;
    }
    out.index = at::cat(kept);
    const at::Tensor weights = at::constant_pad_nd(input.weights, {0, 1}, 0);
    out.weights = weights.index_select(0, out.index) - weights.index_select(0, at::cat(discarded));
    return out;
  }

  int64_t expected(int64_t length, double retention) const override {
    return config_.kept(length, retention);
  }

 private:
  RankingConfig config_;
};

}  // namespace top_k_discard

SelectorEntry top_k_discard_selector() {
  SelectorEntry entry = selector_entry<top_k_discard::TopKDiscard, RankingConfig>(
      "top_k_discard", "SUBLLM's training rule: top-k minus the weights of the discarded",
      "arXiv:2406.06571");
  entry.changes_weights = true;
  return entry;
}

}  // namespace sublab
