// Rotary rotation on CUDA: a thread per pair.
#include "models/kernels/block.cuh"
#include "models/kernels/rotate_body.h"

namespace sublab {
namespace rotate_kernel {
namespace {

/// A block per token; a thread has every blockDim.x-th pair of its heads.
template <class T>
__global__ void rotate_tokens(const T* x, const T* cos, const T* sin, T* y, int heads, int half,
                              float direction) {
  const int64_t t = blockIdx.x, token = t * heads * 2 * half;
  for (int pair = static_cast<int>(threadIdx.x); pair < heads * half;
       pair += static_cast<int>(blockDim.x)) {
    const int head = pair / half;
    const int64_t at = token + int64_t{head} * 2 * half;
    rotate_pair(x + at, cos + t * half, sin + t * half, y + at, pair - head * half, half,
                direction);
  }
}

}  // namespace
}  // namespace rotate_kernel

cuda::Error cuda::rotate(Launch launch, const void* x, const void* cos, const void* sin, void* y,
                         int64_t n, int64_t heads, int64_t half, float direction) {
  if (n * heads * half == 0) return nullptr;
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    const dim3 tokens(static_cast<unsigned>(n));
    rotate_kernel::rotate_tokens<<<tokens, threads_for(heads * half), 0, launch.stream>>>(
        static_cast<const T*>(x), static_cast<const T*>(cos), static_cast<const T*>(sin),
        static_cast<T*>(y), static_cast<int>(heads), static_cast<int>(half), direction);
  });
}

}  // namespace sublab
