// The type in which sums, norms and angles are computed, whatever the weights' own.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// fp64 for fp64, else fp32.
inline at::ScalarType wide_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}
inline at::ScalarType wide_type(const at::Tensor& x) { return wide_type(x.scalar_type()); }
inline at::ScalarType wide_type(const at::TensorOptions& options) {
  return wide_type(options.dtype().toScalarType());
}

}  // namespace sublab
