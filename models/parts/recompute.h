// Activation recomputation (arXiv:1604.06174): a part of the network keeps its inputs only, and
// computes the rest once more in the backward pass.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace sublab {

/// A part as a function of its input x [N, D] and of `extra`, which may be undefined. It is called
/// again in the backward pass, so what it captures must live until then, and it must draw nothing.
using Recomputable = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& extra)>;

/// part(x, extra), of which the backward pass needs x and extra alone. Gradients reach x, extra and
/// the parameters that `part` uses. Costs one more forward pass.
at::Tensor recomputed(const Recomputable& part, const at::Tensor& x, const at::Tensor& extra);

/// A part with several inputs and outputs.
using RecomputableParts =
    std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

/// The same of it; its inputs are defined.
std::vector<at::Tensor> recomputed(const RecomputableParts& part,
                                   const std::vector<at::Tensor>& inputs);

}  // namespace sublab
