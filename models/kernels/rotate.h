// Rotation by given angles, the inner loop of rotary position embedding (arXiv:2104.09864), in the
// half-split layout of transformers: pairs are (x[i], x[i + K/2]).
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// x [N, H, K], cos and sin [N, K/2] -> [N, H, K]:
///   y[i] = x[i] cos[i] - x[i + K/2] sin[i],  y[i + K/2] = x[i + K/2] cos[i] + x[i] sin[i].
/// No concatenation; the backward pass is the rotation by the opposite angle.
at::Tensor rotate(const at::Tensor& x_NHK, const at::Tensor& cos, const at::Tensor& sin);

/// The same from plain operators.
at::Tensor rotate_naive(const at::Tensor& x_NHK, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace sublab
