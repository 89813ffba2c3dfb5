// Which tensors the fused forms serve, and how they reach the CUDA kernels.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <initializer_list>

#include "models/kernels/cuda_kernels.h"

namespace sublab {

/// Whether this program holds the CUDA kernels (SUBLAB_CUDA at configure time). Calls of them stand
/// behind `if constexpr (kCudaKernels)`: every build checks them, only that one links them.
#ifdef SUBLAB_CUDA
inline constexpr bool kCudaKernels = true;
#else
inline constexpr bool kCudaKernels = false;
#endif

/// True where a fused form exists for these tensors: all of one type on one device, fp32 on the
/// CPU, fp32 or bf16 on CUDA. Everything else takes the naive form.
bool has_fused_form(std::initializer_list<std::reference_wrapper<const at::Tensor>> tensors);

/// True for tensors that the CUDA kernels serve.
inline bool on_cuda(const at::Tensor& x) { return kCudaKernels && x.is_cuda(); }

/// `numbers`, a tensor of the host, on `device`. Goes to CUDA from pinned memory, which the host
/// does not wait for.
at::Tensor sent(const at::Tensor& numbers, at::Device device);

/// kernel(Launch) on the current stream of x's device, for x's type. Throws c10::Error with what
/// CUDA says where the launch fails.
void launch(const at::Tensor& x, const std::function<cuda::Error(cuda::Launch)>& kernel);

}  // namespace sublab
