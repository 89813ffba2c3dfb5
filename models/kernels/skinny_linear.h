// The linear map of a few rows, as in decoding: the weights are read once, at the speed of memory.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sublab {

/// Whether `linear_map` takes its own kernel: no gradient wanted; on the CPU fp32 and 1 to 16 rows,
/// on CUDA fp32 or bf16 whose rows fill 16 bytes, and 1 to 8 rows.
bool linear_is_skinny(const at::Tensor& x, const at::Tensor& weight);

/// x [M, D], weight [F, D], bias [F] or undefined -> x weight^T + bias, [M, F]. Equal to at::linear
/// up to the order of its sums. For few rows a matrix library repacks the weights, which costs more
/// than the product; here each weight is loaded once and used for all rows. Row m's numbers do not
/// depend on how many other rows there are. Everything that is not skinny is at::linear.
at::Tensor linear_map(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

struct MapWeights {
  at::Tensor weight, bias;  // [F, D], [F] or undefined
};

/// The linear maps of one input, each as linear_map gives it. Skinny ones are one launch on CUDA.
std::vector<at::Tensor> linear_maps(const at::Tensor& x, const std::vector<MapWeights>& maps);

}  // namespace sublab
