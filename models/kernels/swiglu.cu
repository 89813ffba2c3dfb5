// SwiGLU on CUDA: a thread per number.
#include "models/kernels/block.cuh"
#include "models/kernels/swiglu_body.h"

namespace sublab {
namespace swiglu_kernel {
namespace {

constexpr unsigned kThreads = 256;

/// Blocks for n elements, four to a thread while the grid is not at its most.
unsigned blocks_for(int64_t n) {
  const int64_t blocks = (n + 4 * kThreads - 1) / (4 * kThreads);
  return static_cast<unsigned>(blocks > 65535 ? 65535 : blocks);
}

__device__ __forceinline__ int64_t first() { return int64_t{blockIdx.x} * kThreads + threadIdx.x; }

template <class T>
__global__ void forward(const T* gate, const T* up, T* y, int64_t n) {
  for (int64_t i = first(); i < n; i += int64_t{gridDim.x} * kThreads)
    forward_element(gate[i], up[i], y[i]);
}

template <class T>
__global__ void backward(const T* gate, const T* up, const T* grad, T* grad_gate, T* grad_up,
                         int64_t n) {
  for (int64_t i = first(); i < n; i += int64_t{gridDim.x} * kThreads)
    backward_element(gate[i], up[i], grad[i], grad_gate[i], grad_up[i]);
}

}  // namespace
}  // namespace swiglu_kernel

cuda::Error cuda::swiglu_forward(Launch launch, const void* gate, const void* up, void* y,
                                 int64_t n) {
  using namespace swiglu_kernel;
  if (n == 0) return nullptr;
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    forward<<<blocks_for(n), kThreads, 0, launch.stream>>>(
        static_cast<const T*>(gate), static_cast<const T*>(up), static_cast<T*>(y), n);
  });
}

cuda::Error cuda::swiglu_backward(Launch launch, const void* gate, const void* up, const void* grad,
                                  void* grad_gate, void* grad_up, int64_t n) {
  using namespace swiglu_kernel;
  if (n == 0) return nullptr;
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    backward<<<blocks_for(n), kThreads, 0, launch.stream>>>(
        static_cast<const T*>(gate), static_cast<const T*>(up), static_cast<const T*>(grad),
        static_cast<T*>(grad_gate), static_cast<T*>(grad_up), n);
  });
}

}  // namespace sublab
