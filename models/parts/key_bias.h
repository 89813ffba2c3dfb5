// A bias on the attention logits of each key (LevelContext::key_bias), for policies.
#pragma once

#include "models/parts/rope.h"

namespace sublab {

/// Adds `bias` [N] to the logits of each key by one more dimension: attention scales a product of
/// K + 1 numbers by 1 / sqrt(K + 1), so q . k / sqrt(K) + bias is what comes out of these. Rotation
/// of the first K numbers may come before or after.
void widen_by_bias(at::Tensor& q_NHK, at::Tensor& k_NGK, at::Tensor& v_NGK, const at::Tensor& bias);

/// `out` [N, H, K or K + 1] with the K numbers that values had before widen_by_bias.
at::Tensor narrowed(const at::Tensor& out, int64_t width);

/// The first 2 * angles.cos.size(1) numbers of x [N, H, K or K + 1] rotated, the rest as it is.
at::Tensor rotated_front(const RopeAngles& angles, const at::Tensor& x);

}  // namespace sublab
