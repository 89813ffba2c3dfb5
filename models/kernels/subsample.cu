// Gather and return on CUDA.
#include "models/kernels/block.cuh"
#include "models/kernels/subsample_body.h"

namespace sublab {
namespace subsample_kernel {
namespace {

template <class T>
__global__ void scatter(const T* from, const int64_t* index, T* to, int64_t d) {
  const int64_t i = blockIdx.x;
  copy_row(cuda::Block{}, from + i * d, to + index[i] * d, d);
}

template <class T>
__global__ void add_rows(const T* x, const T* y, const int64_t* index, const T* weights, const T* c,
                         T* out, int64_t d) {
  const int64_t i = blockIdx.x, at = index[i] * d;
  add_row(cuda::Block{}, out + at, x + at, y + i * d, load(weights[i]), c, d);
}

/// A block per part of the rows; its sums over columns stay in shared memory.
template <class T>
__global__ void add_rows_backward(const T* grad_out, const T* x, const T* y, const int64_t* index,
                                  const T* weights, const T* c, T* grad_x, T* grad_y,
                                  T* grad_weights, float* partial, int64_t n, int64_t d) {
  extern __shared__ float columns[];
  const cuda::Block team;
  const int64_t part = blockIdx.x, parts = gridDim.x;
  team.each(d, [&](int64_t j) { columns[j] = 0; });
  for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i) {
    const int64_t at = index[i] * d;
    const float grad_w = add_row_backward(team, grad_out + at, x + at, y + i * d, load(weights[i]),
                                          c, grad_x + at, grad_y + i * d, columns, d);
    if (team.owns(0)) store(grad_weights[i], grad_w);
  }
  team.each(d, [&](int64_t j) { partial[part * d + j] = columns[j]; });
}

}  // namespace
}  // namespace subsample_kernel

cuda::Error cuda::scatter_rows(Launch launch, const void* from, const int64_t* index, void* to,
                               int64_t n, int64_t d) {
  if (n == 0) return nullptr;
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    subsample_kernel::scatter<<<static_cast<unsigned>(n), threads_for(d), 0, launch.stream>>>(
        static_cast<const T*>(from), index, static_cast<T*>(to), d);
  });
}

cuda::Error cuda::bypass_forward(Launch launch, const void* x, const void* y, const int64_t* index,
                                 const void* weights, const void* c, void* out, int64_t n,
                                 int64_t d) {
  if (n == 0) return nullptr;
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    subsample_kernel::add_rows<<<static_cast<unsigned>(n), threads_for(d), 0, launch.stream>>>(
        static_cast<const T*>(x), static_cast<const T*>(y), index, static_cast<const T*>(weights),
        static_cast<const T*>(c), static_cast<T*>(out), d);
  });
}

cuda::Error cuda::bypass_backward(Launch launch, const void* grad_out, const void* x, const void* y,
                                  const int64_t* index, const void* weights, const void* c,
                                  void* grad_x, void* grad_y, void* grad_weights, float* partial,
                                  int64_t n, int64_t d) {
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    const auto kernel = subsample_kernel::add_rows_backward<T>;
    kernel<<<n_parts(n), threads_for(d), columns_bytes(kernel, d), launch.stream>>>(
        static_cast<const T*>(grad_out), static_cast<const T*>(x), static_cast<const T*>(y), index,
        static_cast<const T*>(weights), static_cast<const T*>(c), static_cast<T*>(grad_x),
        static_cast<T*>(grad_y), static_cast<T*>(grad_weights), partial, n, d);
  });
}

}  // namespace sublab
