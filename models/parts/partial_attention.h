// Attention over a part of the keys, and joining such parts into attention over all of them. Ring
// attention, chunked prefill and segment memories are made of this.
//
// With l the logits of one query and S the keys of a part that it sees:
//
//   out = sum_{s in S} e^{l_s - L} v_s,   L = log sum_{s in S} e^{l_s}
//   merged:  L = log sum_p e^{L_p},  out = sum_p e^{L_p - L} out_p     (exact, in any order)
//
// Both have a gradient, L too: d L / d l_s = e^{l_s - L}.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sublab {

/// Numbers are fp32 at least. A query that sees nothing has out 0 and log_sum_of_exp -inf.
struct AttentionPartial {
  at::Tensor out;             // [n, H, K]
  at::Tensor log_sum_of_exp;  // [n, H]
};

/// Which keys of a block the queries see.
enum class Visible {
  none,
  all,
  causal  ///< query i sees keys <= i; as many keys as queries
};

/// One row: q [n, H, K] over k, v [t, G, K], with G dividing H; logits are scaled by 1 / sqrt(K).
/// The CPU takes its flash kernel, CUDA the memory-efficient one, everything else plain operators.
AttentionPartial attend_block(const at::Tensor& q_nHK, const at::Tensor& k_tGK,
                              const at::Tensor& v_tGK, Visible visible);

/// The same where each query sees the keys whose ordinal is not above its own: `q_ordinals` [n],
/// `k_ordinals` [t], int64 on the CPU, in any order. Cut into blocks without a mask where they
/// allow it, as those of contiguous, striped and zigzag layouts do.
AttentionPartial attend_block(const at::Tensor& q_nHK, const at::Tensor& k_tGK,
                              const at::Tensor& v_tGK, const at::Tensor& q_ordinals,
                              const at::Tensor& k_ordinals);

/// The same over all blocks, from plain operators: `hidden` [n, t] says which keys a query does not
/// see.
AttentionPartial attend_block_naive(const at::Tensor& q_nHK, const at::Tensor& k_tGK,
                                    const at::Tensor& v_tGK, const at::Tensor& hidden);

/// At least one part; all of the same queries, of different keys.
AttentionPartial merge(const std::vector<AttentionPartial>& parts);

}  // namespace sublab
