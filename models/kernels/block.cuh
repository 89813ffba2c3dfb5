// A block of CUDA threads as the team of body.h, and how the kernels are launched.
#pragma once

#include <cuda_runtime.h>

#include <initializer_list>
#include <type_traits>

#include "models/kernels/body.h"
#include "models/kernels/cuda_kernels.h"

namespace sublab::cuda {

/// Thread t has the elements t, t + blockDim.x, ... blockDim.x is a multiple of 32, at most 1024.
struct Block {
  template <class F>
  __device__ __forceinline__ float sum(int64_t n, const F& f) const {
    float own = 0;
    for (int64_t j = threadIdx.x; j < n; j += blockDim.x) own += f(j);
    return combine(own, [](float a, float b) { return a + b; });
  }

  template <class F>
  __device__ __forceinline__ float max(int64_t n, const F& f) const {
    float own = f(0);
    for (int64_t j = threadIdx.x; j < n; j += blockDim.x) own = fmaxf(own, f(j));
    return combine(own, [](float a, float b) { return fmaxf(a, b); });
  }

  template <class F>
  __device__ __forceinline__ void each(int64_t n, const F& f) const {
    for (int64_t j = threadIdx.x; j < n; j += blockDim.x) f(j);
  }

  __device__ __forceinline__ bool owns(int64_t j) const { return j % blockDim.x == threadIdx.x; }

 private:
  template <class F>
  __device__ __forceinline__ float combine(float own, const F& join) const {
    __shared__ float warps[32];
    for (int offset = 16; offset > 0; offset /= 2)
      own = join(own, __shfl_xor_sync(0xFFFFFFFF, own, offset));
    __syncthreads();  // until all have read the last result
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = own;
    __syncthreads();
    float all = warps[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) all = join(all, warps[warp]);
    return all;
  }
};

/// Threads for a row of d numbers of which a thread takes N at a time: at least four numbers each,
/// at most 512 threads.
template <int N = 1>
unsigned threads_for(int64_t d) {
  const int64_t threads = (d / (N > 4 ? N : 4) + 31) / 32 * 32;
  return static_cast<unsigned>(threads < 32 ? 32 : threads > 512 ? 512 : threads);
}

inline Error launched() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

/// work(T{}) for the type that `number` names.
template <class F>
Error with_type(Number number, const F& work) {
  if (number == Number::kFloat32)
    work(float{});
  else
    work(Bfloat16{});
  return launched();
}

/// work(T{}, N) for the type and for how many numbers are read at once: 16 bytes where rows of d
/// numbers keep to them, as all `arrays` do.
template <class F>
Error with_words(Number number, int64_t d, std::initializer_list<const void*> arrays,
                 const F& work) {
  return with_type(number, [&](auto zero) {
    constexpr int kNumbers = 16 / sizeof(zero);
    bool fits = d % kNumbers == 0;
    for (const void* array : arrays) fits = fits && reinterpret_cast<uintptr_t>(array) % 16 == 0;
    if (fits)
      work(zero, std::integral_constant<int, kNumbers>{});
    else
      work(zero, std::integral_constant<int, 1>{});
  });
}

/// Room for d sums of a block, which may be more than a kernel gets unasked.
template <class Kernel>
unsigned columns_bytes(Kernel kernel, int64_t d) {
  const auto bytes = static_cast<unsigned>(d * sizeof(float));
  if (bytes > 40 * 1024)
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(bytes));
  return bytes;
}

}  // namespace sublab::cuda
