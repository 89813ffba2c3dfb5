// The loss of next-token logits and its gradient, in one step.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// logits [C, V] become d/d logits of sum over rows of -log softmax(logits)[label] / divisor, in
/// place. Returns the sum before the division, fp64, a scalar on the logits' device. Rows whose
/// label [C] (int64) is below 0 count nothing and get zeros.
at::Tensor softmax_gradient(at::Tensor& logits, const at::Tensor& labels, double divisor);

/// The same from plain operators.
at::Tensor softmax_gradient_naive(at::Tensor& logits, const at::Tensor& labels, double divisor);

}  // namespace sublab
