// H2O, heavy-hitter oracle (arXiv:2306.14048; FMInference/H2O), token by token. For each key/value
// head g with query heads h in g, s_j the attention that token j has had:
//
//   token t joins with s_t = 0;   s_j += sum_{h in g} softmax_h(q_t . k / sqrt(K))_j  over what is
//   kept;   with more than heavy + recent tokens, of those before the last `recent` the one with
//   the lowest s_j goes (of equal ones the latest), and its s_j with it.
//
// So what is gone never returns, and each key/value head keeps tokens of its own. Positions are the
// row's own: keys are cached rotated. Each row of a batch is evicted by itself.
//
// Deviations: the released code sums attention over the batch, which it asserts to be one row; and
// over query heads it knows no groups. It evicts when the prompt is over (h2o_prompt.cpp). As there
// scores are not normalised by the number of queries, so that early tokens gather more.
//
// Whole rows go through the same blocks of kBlock queries as steps: logits of a block against what
// is kept and the block itself, in one product for all rows, heads and queries; then who stays, in
// turn, without a gradient (evict_in_turn); then softmax over what each query saw. A query costs
// heavy + recent + kBlock pairs at most, whatever the length of the row.
#include "baselines/kv_policies/heavy_hitters.h"

namespace sublab {
namespace h2o {

using heavy_hitters::Budget;
using heavy_hitters::HeavyCache;
using heavy_hitters::OrderedHeads;

struct Config {
  int64_t heavy = 256;
  int64_t recent = 256;

  template <class F>
  void fields(F& f) {
    f("heavy", heavy, "tokens that stay for the attention that they had", within(0, 1 << 24));
    f("recent", recent, "latest tokens that stay", within(1, 1 << 24));
  }
};

class H2o : public KvPolicy {
 public:
  explicit H2o(const Config& config) : budget_{config.heavy, config.recent} {}

  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    HeavyCache cache({.n_rows = context.at.rows->n_rows(),
                      .n_kv_heads = heads.k_NGK.size(1),
                      .head_dim = heads.k_NGK.size(2),
                      .biased = context.at.key_bias.defined(),
                      .options = heads.k_NGK.options()},
                     budget_);
    return through(heads, context, cache);
  }
  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    return through(heads, context, static_cast<HeavyCache&>(*context.cache));
  }
  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<HeavyCache>(shape, budget_);
  }
  AttentionCost cost(double t, double past) const override {
    const auto most = static_cast<double>(budget_.most()), held = std::min(past + t, most);
    return {.causal_pairs = heavy_hitters::seen_pairs(t, past, budget_),
            .square_pairs = heavy_hitters::computed_pairs(t, past, budget_),
            .tokens_read = std::min(t, 1.0) * (std::min(past, most) + std::max(t, 1.0)),
            .tokens_held = held,
            .scores_held = held};
  }

 private:
  at::Tensor through(const AttentionHeads& heads, const LayerContext& context,
                     HeavyCache& cache) const {
    const OrderedHeads ordered(heads, context);
    const Rows& rows = ordered.rows();
    double gone = 0;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const auto gone_by = [&](int64_t n) { return std::max<int64_t>(n - budget_.most(), 0); };
      const int64_t seen = cache.rows[b].seen;
      gone += static_cast<double>(gone_by(seen + rows.length(b)) - gone_by(seen));
    }
    heavy_hitters::count_evicted(gone, context);
    return ordered.back(heavy_hitters::attend(ordered.turned(), rows, cache));
  }

  Budget budget_;
};

}  // namespace h2o

KvPolicyEntry h2o_kv_policy_entry() {
  auto entry = entry_of<KvPolicyEntry, h2o::Config, h2o::H2o>(
      "h2o", "the tokens that had the most attention, and the latest; token by token",
      "arXiv:2306.14048");
  entry.examples = {{"", {{"heavy", 3}, {"recent", 4}}}};
  return entry;
}

}  // namespace sublab
