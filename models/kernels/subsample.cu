// Gather and return on CUDA.
#include "models/kernels/block.cuh"
#include "models/kernels/subsample_body.h"

namespace sublab {
namespace subsample_kernel {
namespace {

template <int N, class T>
__global__ void scatter(const T* from, const int64_t* index, T* to, int64_t d) {
  const int64_t i = blockIdx.x;
  copy_row<N>(cuda::Block{}, from + i * d, to + index[i] * d, d);
}

template <int N, class T>
__global__ void add_rows(const T* x, const T* y, const int64_t* index, const T* weights, const T* c,
                         T* out, int64_t d) {
  const int64_t i = blockIdx.x, at = index[i] * d;
  add_row<N>(cuda::Block{}, out + at, x + at, y + i * d, load(weights[i]), c, d);
}

/// A block per part of the rows; its sums over columns stay in shared memory.
template <int N, class T>
__global__ void add_rows_backward(const T* grad_out, const T* x, const T* y, const int64_t* index,
                                  const T* weights, const T* c, T* grad_x, T* grad_y,
                                  T* grad_weights, float* partial, int64_t n, int64_t d) {
  extern __shared__ __align__(16) float columns[];
  const cuda::Block team;
  const int64_t part = blockIdx.x, parts = gridDim.x;
  team.each(d, [&](int64_t j) { columns[j] = 0; });
  for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i) {
    const int64_t at = index[i] * d;
    const float grad_w =
        add_row_backward<N>(team, grad_out + at, x + at, y + i * d, load(weights[i]), c,
                            grad_x + at, grad_y + i * d, columns, d);
    if (team.owns(0)) store(grad_weights[i], grad_w);
  }
  __syncthreads();  // columns are other members' where parts are of several numbers
  team.each(d, [&](int64_t j) { partial[part * d + j] = columns[j]; });
}

}  // namespace
}  // namespace subsample_kernel

cuda::Error cuda::scatter_rows(Launch launch, const void* from, const int64_t* index, void* to,
                               int64_t n, int64_t d) {
  if (n == 0) return nullptr;
  return with_words(launch.number, d, {from, to}, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    subsample_kernel::scatter<N><<<static_cast<unsigned>(n), threads_for<N>(d), 0, launch.stream>>>(
        static_cast<const T*>(from), index, static_cast<T*>(to), d);
  });
}

cuda::Error cuda::bypass_forward(Launch launch, const void* x, const void* y, const int64_t* index,
                                 const void* weights, const void* c, void* out, int64_t n,
                                 int64_t d) {
  if (n == 0) return nullptr;
  return with_words(launch.number, d, {x, y, c, out}, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    subsample_kernel::add_rows<N>
        <<<static_cast<unsigned>(n), threads_for<N>(d), 0, launch.stream>>>(
            static_cast<const T*>(x), static_cast<const T*>(y), index,
            static_cast<const T*>(weights), static_cast<const T*>(c), static_cast<T*>(out), d);
  });
}

cuda::Error cuda::bypass_backward(Launch launch, const void* grad_out, const void* x, const void* y,
                                  const int64_t* index, const void* weights, const void* c,
                                  void* grad_x, void* grad_y, void* grad_weights, float* partial,
                                  int64_t n, int64_t d) {
  const auto arrays = {
      grad_out, x, y, c, static_cast<const void*>(grad_x), static_cast<const void*>(grad_y)};
  return with_words(launch.number, d, arrays, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    const auto kernel = subsample_kernel::add_rows_backward<N, T>;
    kernel<<<n_parts(n), threads_for<N>(d), columns_bytes(kernel, d), launch.stream>>>(
        static_cast<const T*>(grad_out), static_cast<const T*>(x), static_cast<const T*>(y), index,
        static_cast<const T*>(weights), static_cast<const T*>(c), static_cast<T*>(grad_x),
        static_cast<T*>(grad_y), static_cast<T*>(grad_weights), partial, n, d);
  });
}

}  // namespace sublab
