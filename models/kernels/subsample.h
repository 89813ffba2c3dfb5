// Leaving out tokens and bringing them back.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// Rows `index` [M] (distinct, int64) of x [N, D] -> [M, D]. The backward pass scatters by copy.
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index);

/// The return of a subsampling module: upsampling and bypass in one step (SUBLLM,
/// arXiv:2406.06571).
///   out[t] = x[t] + c * w[i] * (y[i] - x[t])  for t = index[i];   out[t] = x[t] for every other t.
/// x [N, D]: the stream before the module; y [M, D]: what came out of the inner layers; weights
/// [M]; c [D]: the bypass scale. Algebraically equal to bypass_return_naive.
at::Tensor bypass_return(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                         const at::Tensor& weights, const at::Tensor& c);

/// The two steps as the paper has them: u = (1 - w) x + w y where kept, u = x elsewhere;
/// out = x + c (u - x).
at::Tensor bypass_return_naive(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                               const at::Tensor& weights, const at::Tensor& c);

}  // namespace sublab
