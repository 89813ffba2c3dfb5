// What acts on the gradient of the bypass scale only while SUBLLM trains. Forward it is the
// identity. Source: Zipformer (arXiv:2310.11230) and the released code of SUBLLM.
#pragma once

#include <ATen/ATen.h>

namespace sublab::subllm {

/// Holds a parameter inside [low, high] by turning gradients that would drive it further out.
at::Tensor limit_parameter(const at::Tensor& parameter, double low, double high);

}  // namespace sublab::subllm
