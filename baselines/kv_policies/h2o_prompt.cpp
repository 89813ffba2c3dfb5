// H2O as published (arXiv:2306.14048; FMInference/H2O, utils_real_drop): the whole prompt is read
// with full attention, and when it is over each key/value head keeps the `heavy_ratio` of it that
// had the most attention and the last `recent_ratio`; behind it tokens are evicted one by one, as
// by h2o.cpp, within the numbers that the prompt gave:
//
//   heavy = floor(heavy_ratio * n),   recent = max(1, floor(recent_ratio * n)),   n tokens of
//   prompt
//
// What the first step of a row reads (at a level of SUBLLM: its first tokens there) is its prompt.
// A whole row is nothing but a prompt, so that in training and in `evaluate` nothing is evicted:
// steps equal whole rows only where a row is read in one step, which the entry declares
// (exact_cut), and only what generates answers shows the policy at work.
#include <cmath>

#include "baselines/kv_policies/heavy_hitters.h"

namespace sublab {
namespace h2o_prompt {

using heavy_hitters::Budget;
using heavy_hitters::HeavyCache;
using heavy_hitters::OrderedHeads;

struct Config {
  double heavy_ratio = 0.1;
  double recent_ratio = 0.1;

  template <class F>
  void fields(F& f) {
    f("heavy_ratio", heavy_ratio, "share of the prompt that stays for the attention that it had",
      within(0, 1));
    f("recent_ratio", recent_ratio, "share of the prompt whose latest tokens stay", within(0, 1));
  }
};

class H2oPrompt : public KvPolicy {
 public:
  explicit H2oPrompt(const Config& config) : config_(config) {}

  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    heavy_hitters::count_evicted(0, context);
    return full_kv_policy()->whole_rows(heads, context);
  }
  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    auto& cache = static_cast<HeavyCache&>(*context.cache);
    const OrderedHeads ordered(heads, context);
    const Rows& rows = ordered.rows();
    const auto held = [&] {
      double sum = 0;
      for (int64_t b = 0; b < rows.n_rows(); ++b) sum += static_cast<double>(cache.n_tokens(b));
      return sum;
    };
    const double before = held();
    const at::Tensor out = heavy_hitters::attend(ordered.turned(), rows, cache);
    for (int64_t b = 0; b < rows.n_rows(); ++b)
      if (rows.length(b) > 0 && cache.rows[b].seen == rows.length(b)) end_prompt(cache.rows[b]);
    heavy_hitters::count_evicted(before + static_cast<double>(rows.n_tokens()) - held(), context);
    return ordered.back(out);
  }
  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<HeavyCache>(shape, Budget::unlimited());
  }
  /// Of a row behind a past the past is taken for its prompt.
  AttentionCost cost(double t, double past) const override {
    if (past == 0) {
      AttentionCost out = full_kv_policy()->cost(t, 0);
      out.tokens_held = out.scores_held =
          std::min(t, static_cast<double>(budget_of(std::max(t, 1.0)).most()));
      return out;
    }
    const Budget budget = budget_of(past);
    const auto most = static_cast<double>(budget.most()), kept = std::min(past, most);
    return {.causal_pairs = heavy_hitters::seen_pairs(t, kept, budget),
            .square_pairs = heavy_hitters::computed_pairs(t, kept, budget),
            .tokens_read = std::min(t, 1.0) * (kept + std::max(t, 1.0)),
            .tokens_held = std::min(kept + t, most),
            .scores_held = std::min(kept + t, most)};
  }

 private:
  Budget budget_of(double n) const {
    return {static_cast<int64_t>(std::floor(config_.heavy_ratio * n)),
            std::max<int64_t>(1, static_cast<int64_t>(std::floor(config_.recent_ratio * n)))};
  }
  void end_prompt(heavy_hitters::RowCache& row) const {
    row.budget = budget_of(static_cast<double>(row.seen));
    const at::Tensor kept = heavy_hitters::stay(row.score, row.budget);
    const at::Tensor index = kept.unsqueeze(2).expand({kept.size(0), kept.size(1), row.k.size(2)});
    row.k = row.k.gather(1, index);
    row.v = row.v.gather(1, index);
    row.score = row.score.gather(1, kept);
  }

  Config config_;
};

}  // namespace h2o_prompt

KvPolicyEntry h2o_prompt_kv_policy_entry() {
  auto entry = entry_of<KvPolicyEntry, h2o_prompt::Config, h2o_prompt::H2oPrompt>(
      "h2o_prompt", "h2o as published: evicts when the prompt is over, to shares of it",
      "arXiv:2306.14048");
  entry.exact_cut = [](const json&, int64_t ordinal) { return ordinal == 0; };
  entry.examples = {{"", {{"heavy_ratio", 0.25}, {"recent_ratio", 0.25}}}};
  return entry;
}

}  // namespace sublab
