// The same on CUDA: a block of threads per token.
#include "models/kernels/block.cuh"
#include "models/kernels/softmax_gradient_body.h"

namespace sublab {
namespace softmax_kernel {
namespace {

template <int N, class T>
__global__ void gradient_rows(T* logits, const int64_t* labels, double* losses, int64_t v,
                              float scale) {
  const cuda::Block team;
  const int64_t i = blockIdx.x;
  const float loss = gradient_row<N>(team, logits + i * v, v, labels[i], scale);
  if (team.owns(0)) losses[i] = loss;
}

}  // namespace
}  // namespace softmax_kernel

cuda::Error cuda::softmax_gradient(Launch launch, void* logits, const int64_t* labels,
                                   double* losses, int64_t n, int64_t v, float scale) {
  if (n == 0) return nullptr;
  return with_words(launch.number, v, {logits}, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    const dim3 rows(static_cast<unsigned>(n));
    softmax_kernel::gradient_rows<N><<<rows, threads_for<N>(v), 0, launch.stream>>>(
        static_cast<T*>(logits), labels, losses, v, scale);
  });
}

}  // namespace sublab
