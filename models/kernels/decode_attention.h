// Attention of single queries over long contiguous keys, as in decoding: reads every key and value
// once, at the speed of memory.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sublab {

/// What one query sees: keys and values, both [tokens, G, K], views whose last dimension is dense.
struct VisibleTokens {
  at::Tensor keys, values;
};

/// Whether decode_attention takes its own kernel: fp32 on the CPU, fp32 or bf16 on CUDA, no
/// gradient wanted.
bool has_decode_attention(const at::Tensor& q_NHK);

/// Query i of q [N, H, K] attends to all of visible[i], at least one token; head h reads key/value
/// head h / (H/G). Logits are scaled by `scale`. -> [N, H, K].
///
/// Keys are read in pieces of fixed length, whose softmax sums are merged at the end; so a query's
/// numbers depend neither on the number of threads nor on the other queries. On CUDA where they lie
/// is sent along without waiting, and the arithmetic is that of cache_attention.
at::Tensor decode_attention(const at::Tensor& q_NHK, const std::vector<VisibleTokens>& visible,
                            double scale);

/// The same from plain operators.
at::Tensor decode_attention_naive(const at::Tensor& q_NHK,
                                  const std::vector<VisibleTokens>& visible, double scale);

}  // namespace sublab
