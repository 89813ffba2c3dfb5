// Decoding one token per row against caches whose lengths stand on the device: no shape and no
// launch depends on how long a row is, so a step can be captured in a CUDA graph and replayed.
//
// memory [2, B, G, capacity, K] holds the keys (0) and values (1) of B rows, contiguous. lengths
// [B] (int64, on memory's device) says how many tokens each row held *before this step*, for both
// calls below; whoever owns it adds 1 when the step is over. row [M] (int64, same device, distinct)
// names the rows that get a token, M <= B.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// Writes token i's key and value, k and v [M, G, K], to memory[., row[i], :, lengths[row[i]], :].
/// The caller has made room: one that finds none is lost, or takes the place of the row's last
/// token. Reads nothing to the host.
void cache_append(const at::Tensor& k_MGK, const at::Tensor& v_MGK, const at::Tensor& row_M,
                  const at::Tensor& memory, const at::Tensor& lengths_B);

/// Query i of q [M, H, K] attends to the first lengths[row[i]] + 1 tokens of its row, the one that
/// cache_append wrote included; head h reads key/value head h / (H/G). Logits are scaled by
/// `scale`.
/// -> [M, H, K]. No gradient. What memory holds behind those tokens may be anything, NaN too.
///
/// Keys are read in pieces of fixed length, whose softmax sums are merged in their order: a query's
/// numbers depend on its own row alone. fp32 on the CPU, fp32 and bf16 on CUDA; everything else
/// takes the plain form.
at::Tensor cache_attention(const at::Tensor& q_MHK, const at::Tensor& row_M,
                           const at::Tensor& memory, const at::Tensor& lengths_B, double scale);

/// The same from plain operators, over the whole capacity.
void cache_append_naive(const at::Tensor& k_MGK, const at::Tensor& v_MGK, const at::Tensor& row_M,
                        const at::Tensor& memory, const at::Tensor& lengths_B);
at::Tensor cache_attention_naive(const at::Tensor& q_MHK, const at::Tensor& row_M,
                                 const at::Tensor& memory, const at::Tensor& lengths_B,
                                 double scale);

}  // namespace sublab
