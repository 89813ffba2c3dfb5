// SwiGLU on CUDA: a thread has 16 bytes of each array at a time.
#include "models/kernels/block.cuh"
#include "models/kernels/swiglu_body.h"

namespace sublab {
namespace swiglu_kernel {
namespace {

constexpr unsigned kThreads = 256;

/// Blocks for n items, two to a thread while the grid is not at its most.
unsigned blocks_for(int64_t n) {
  const int64_t blocks = (n + 2 * kThreads - 1) / (2 * kThreads);
  return static_cast<unsigned>(blocks > 65535 ? 65535 : blocks);
}

/// N numbers as they lie in memory.
template <int N, class T>
struct alignas(N * sizeof(T)) Numbers {
  T at[N];
};

template <class F>
__device__ __forceinline__ void for_items(int64_t n, const F& work) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{gridDim.x} * kThreads)
    work(i);
}

/// n items of N numbers.
template <int N, class T>
__global__ void forward(const Numbers<N, T>* gate, const Numbers<N, T>* up, Numbers<N, T>* y,
                        int64_t n) {
  for_items(n, [&](int64_t i) {
    const Numbers<N, T> g = gate[i], u = up[i];
    Numbers<N, T> out;
    for (int j = 0; j < N; ++j) forward_element(g.at[j], u.at[j], out.at[j]);
    y[i] = out;
  });
}

template <int N, class T>
__global__ void backward(const Numbers<N, T>* gate, const Numbers<N, T>* up,
                         const Numbers<N, T>* grad, Numbers<N, T>* grad_gate,
                         Numbers<N, T>* grad_up, int64_t n) {
  for_items(n, [&](int64_t i) {
    const Numbers<N, T> g = gate[i], u = up[i], dy = grad[i];
    Numbers<N, T> dg, du;
    for (int j = 0; j < N; ++j) backward_element(g.at[j], u.at[j], dy.at[j], dg.at[j], du.at[j]);
    grad_gate[i] = dg;
    grad_up[i] = du;
  });
}

}  // namespace
}  // namespace swiglu_kernel

cuda::Error cuda::swiglu_forward(Launch launch, const void* gate, const void* up, void* y,
                                 int64_t n) {
  using namespace swiglu_kernel;
  if (n == 0) return nullptr;
  return with_words(launch.number, n, {gate, up, y}, [&](auto zero, auto numbers) {
    using Item = Numbers<numbers(), decltype(zero)>;
    const int64_t items = n / numbers();
    forward<<<blocks_for(items), kThreads, 0, launch.stream>>>(
        static_cast<const Item*>(gate), static_cast<const Item*>(up), static_cast<Item*>(y), items);
  });
}

cuda::Error cuda::swiglu_backward(Launch launch, const void* gate, const void* up, const void* grad,
                                  void* grad_gate, void* grad_up, int64_t n) {
  using namespace swiglu_kernel;
  if (n == 0) return nullptr;
  const auto arrays = {gate, up, grad, static_cast<const void*>(grad_gate),
                       static_cast<const void*>(grad_up)};
  return with_words(launch.number, n, arrays, [&](auto zero, auto numbers) {
    using Item = Numbers<numbers(), decltype(zero)>;
    const int64_t items = n / numbers();
    backward<<<blocks_for(items), kThreads, 0, launch.stream>>>(
        static_cast<const Item*>(gate), static_cast<const Item*>(up),
        static_cast<const Item*>(grad), static_cast<Item*>(grad_gate), static_cast<Item*>(grad_up),
        items);
  });
}

}  // namespace sublab
