// Rotary rotation on CUDA: a thread has some pairs of a head at a time.
#include "models/kernels/block.cuh"
#include "models/kernels/rotate_body.h"

namespace sublab {
namespace rotate_kernel {
namespace {

/// A block per token; a thread has every blockDim.x-th part, N pairs, of its heads.
template <int N, class T>
__global__ void rotate_tokens(const T* x, const T* cos, const T* sin, T* y, int heads, int half,
                              float direction) {
  const int64_t t = blockIdx.x, token = t * heads * 2 * half;
  const int parts = half / N;
  for (int i = static_cast<int>(threadIdx.x); i < heads * parts;
       i += static_cast<int>(blockDim.x)) {
    const int head = i / parts, first = (i - head * parts) * N;
    const int64_t at = token + int64_t{head} * 2 * half + first;
    float pairs[2 * N], turned[2 * N], c[N], s[N];
    load_numbers<N>(x + at, pairs);
    load_numbers<N>(x + at + half, pairs + N);
    load_numbers<N>(cos + t * half + first, c);
    load_numbers<N>(sin + t * half + first, s);
    for (int j = 0; j < N; ++j) rotate_pair(pairs, c, s, turned, j, N, direction);
    store_numbers<N>(y + at, turned);
    store_numbers<N>(y + at + half, turned + N);
  }
}

}  // namespace
}  // namespace rotate_kernel

cuda::Error cuda::rotate(Launch launch, const void* x, const void* cos, const void* sin, void* y,
                         int64_t n, int64_t heads, int64_t half, float direction) {
  if (n * heads * half == 0) return nullptr;
  return with_words(launch.number, half, {x, cos, sin, y}, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    const dim3 tokens(static_cast<unsigned>(n));
    rotate_kernel::rotate_tokens<N><<<tokens, threads_for<N>(heads * half), 0, launch.stream>>>(
        static_cast<const T*>(x), static_cast<const T*>(cos), static_cast<const T*>(sin),
        static_cast<T*>(y), static_cast<int>(heads), static_cast<int>(half), direction);
  });
}

}  // namespace sublab
