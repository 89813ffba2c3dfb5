// The gated activation of SwiGLU (arXiv:2002.05202): y = silu(gate) * up, silu(a) = a / (1 + e^-a).
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// gate, up [N, F] -> [N, F]. One pass forward, one back; keeps its two inputs for the backward
/// pass.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// The same from plain operators.
at::Tensor swiglu_naive(const at::Tensor& gate, const at::Tensor& up);

}  // namespace sublab
