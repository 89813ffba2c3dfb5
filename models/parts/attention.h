// How causal softmax attention over packed rows is executed.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "models/kernels/decode_attention.h"
#include "models/run.h"

namespace sublab {

/// What spreads a row over ranks (baselines/execution) implements this. A token sees the tokens of
/// its row whose ordinal is not above its own. Logits are scaled by 1 / sqrt(K); head h reads
/// key/value head h / (H/G), G dividing H.
class AttentionExecutor {
 public:
  virtual ~AttentionExecutor() = default;
  /// Whole rows: q [N, H, K], k and v [N, G, K] -> [N, H, K].
  virtual at::Tensor whole_rows(const at::Tensor& q_NHK, const at::Tensor& k_NGK,
                                const at::Tensor& v_NGK, const Rows& rows,
                                const Run& run) const = 0;
  /// The rows' new tokens, whose ordinals ascend. visible[b]: all that row b may see, [tokens, G,
  /// K], the new tokens' own keys and values last; row b without new tokens is not looked at.
  virtual at::Tensor step(const at::Tensor& q_NHK, const std::vector<VisibleTokens>& visible,
                          const Rows& rows, const Run& run) const = 0;
};

/// Everything on this rank.
const std::shared_ptr<const AttentionExecutor>& local_attention();

}  // namespace sublab
