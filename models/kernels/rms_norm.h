// Root-mean-square normalisation (arXiv:1910.07467): y = x / sqrt(mean(x^2) + eps) * weight.
#pragma once

#include <ATen/ATen.h>

#include <utility>

namespace sublab {

/// x [N, D], weight [D] -> [N, D]. The mean is taken in fp32 (fp64 for fp64), the quotient is cast
/// back to x's dtype before the weight is applied, as transformers does. One pass forward, one
/// back.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// The same from plain operators: the truth that the fused form is tested against.
at::Tensor rms_norm_naive(const at::Tensor& x, const at::Tensor& weight, double epsilon);

/// The residual stream and its norm in one pass: s = x + residual and rms_norm(s), which are
/// returned in this order. x, residual [N, D], weight [D] -> two of [N, D]. One pass back as well.
std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                               const at::Tensor& weight, double epsilon);

/// The same from plain operators.
std::pair<at::Tensor, at::Tensor> add_rms_norm_naive(const at::Tensor& x,
                                                     const at::Tensor& residual,
                                                     const at::Tensor& weight, double epsilon);

}  // namespace sublab
