// Causal softmax attention over packed rows.
#pragma once

#include <ATen/ATen.h>

#include "models/parts/kv_cache.h"
#include "models/rows.h"

namespace sublab {

/// How attention is executed. What spreads a row over ranks (baselines/execution) implements this.
class AttentionExecutor {
 public:
  virtual ~AttentionExecutor() = default;
  /// Whole rows: token i of a row attends to tokens <= i of the same row.
  /// q [N, H, K], k and v [N, G, K] with G dividing H (head h reads k/v head h / (H/G)) -> [N, H,
  /// K]. Logits are scaled by 1 / sqrt(K).
  virtual at::Tensor whole_rows(const at::Tensor& q_NHK, const at::Tensor& k_NGK,
                                const at::Tensor& v_NGK, const Rows& rows) const = 0;
  /// The rows' new tokens against the cache, which already holds their own keys and values.
  virtual at::Tensor step(const at::Tensor& q_NHK, const KvCache& cache,
                          const Rows& rows) const = 0;
};

/// Everything on this rank.
const AttentionExecutor& local_attention();

}  // namespace sublab
