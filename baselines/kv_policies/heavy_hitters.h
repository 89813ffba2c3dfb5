// Heavy hitters (H2O, arXiv:2306.14048): of the tokens before the last `recent`, those `heavy` that
// had the most attention so far, per key/value head, stay. h2o.cpp and h2o_prompt.cpp evict by it.
#pragma once

#include <vector>

#include "models/ascending_rows.h"
#include "models/entries/attention.h"
#include "models/parts/kv_cache.h"

namespace sublab::heavy_hitters {

struct Budget {
  int64_t heavy = 0, recent = 1;
  int64_t most() const { return heavy + recent; }
  static Budget unlimited() { return {int64_t{1} << 40, 1}; }
};

/// Who is seen while `n` tokens come one by one behind `m` that a cache holds, all of X heads of
/// keys; columns are tokens by age, those m first.
struct Eviction {
  at::Tensor visible;  ///< [X, n, m + n] bool: what each of the new tokens sees
  at::Tensor score;    ///< [X, m + n]: attention had so far
  at::Tensor kept;     ///< [X, min(m + n, budget)] int64: the columns that stay, ascending
};

/// `logits` [X, R, n, m + n] of the R query heads that share a key head, scaled; `score` [X, m].
/// Token i joins, its query heads' softmax over what is kept is added to the scores, and where
/// there are more than `budget` the one with the lowest score before the last `budget.recent`
/// goes, of equal ones the latest. No gradient. On the CPU one pass over memory; elsewhere
/// operators, which do the same (evict_in_turn_naive).
Eviction evict_in_turn(const at::Tensor& logits, const at::Tensor& score, const Budget& budget);
Eviction evict_in_turn_naive(const at::Tensor& logits, const at::Tensor& score,
                             const Budget& budget);

/// The columns that stay of `score` [X, m] when all above the budget go at once: [X, min(m,
/// budget)], ascending.
at::Tensor stay(const at::Tensor& score, const Budget& budget);

/// What is kept of one row: keys as logits see them (rotated by the row's own positions) and
/// values, both [G, m, K], and the attention that they had, [G, m], fp32 at least.
struct RowCache {
  at::Tensor k, v, score;
  int64_t seen = 0;  ///< tokens that the row has had
  Budget budget = {};
};

class HeavyCache : public KvCache {
 public:
  HeavyCache(const KvCacheShape& shape, const Budget& budget);
  int64_t n_tokens(int64_t b) const override { return rows[b].k.size(1); }
  int64_t n_bytes() const override;
  std::unique_ptr<KvCache> fork(const std::vector<int64_t>& of) const override;
  bool clear() override;

  std::vector<RowCache> rows;

 private:
  RowCache blank_;
};

/// Attention of new tokens, taken up one by one by the caches of their rows; [N, H, K], in the
/// dtype of q. Heads are as logits see them, rows ascend.
at::Tensor attend(const AttentionHeads& turned, const Rows& rows, HeavyCache& cache);

/// The heads of a level as logits see them, rows by ascending ordinal; and back.
class OrderedHeads {
 public:
  OrderedHeads(const AttentionHeads& heads, const LayerContext& context);
  const AttentionHeads& turned() const { return turned_; }
  const Rows& rows() const { return *rows_.rows; }
  at::Tensor back(const at::Tensor& out) const;

 private:
  AttentionHeads turned_;
  AscendingRows rows_;
  int64_t width_;
};

/// Tells Run::activity how many of the new tokens' rows' tokens went.
void count_evicted(double gone, const LayerContext& context);

/// Queries that are computed at once, before what they evicted leaves the cache.
inline constexpr int64_t kBlock = 64;

/// Pairs that attend() computes for `n` tokens behind `past` in a row of `budget`.
double computed_pairs(double n, double past, const Budget& budget);
/// Pairs that are seen.
double seen_pairs(double n, double past, const Budget& budget);

}  // namespace sublab::heavy_hitters
