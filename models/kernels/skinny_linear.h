// The linear map of a few rows, as in decoding: the weights are read once, at the speed of memory.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// Whether `linear_map` takes its own kernel: fp32 on the CPU, no gradient wanted, 1 to 16 rows.
bool linear_is_skinny(const at::Tensor& x, const at::Tensor& weight);

/// x [M, D], weight [F, D], bias [F] or undefined -> x weight^T + bias, [M, F]. Equal to at::linear
/// up to the order of its sums. For few rows a matrix library repacks the weights, which costs more
/// than the product; here each weight is loaded once and used for all rows. Row m's numbers do not
/// depend on how many other rows there are. Everything that is not skinny is at::linear.
at::Tensor linear_map(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace sublab
