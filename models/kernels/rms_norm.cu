// RMSNorm's CUDA kernels: a block of threads per row.
#include "models/kernels/block.cuh"
#include "models/kernels/rms_norm_body.h"

namespace sublab {
namespace rms_norm_kernel {
namespace {

template <int N, class T>
__global__ void forward_rows(const T* x, const T* weight, T* y, float* scale, int64_t d,
                             float epsilon) {
  const int64_t i = blockIdx.x;
  forward_row<N>(cuda::Block{}, x + i * d, weight, y + i * d, scale + i, d, epsilon);
}

template <int N, class T>
__global__ void add_forward_rows(const T* x, const T* residual, const T* weight, T* s, T* y,
                                 float* scale, int64_t d, float epsilon) {
  const int64_t i = blockIdx.x, at = i * d;
  add_forward_row<N>(cuda::Block{}, x + at, residual + at, weight, s + at, y + at, scale + i, d,
                     epsilon);
}

/// A block per part of the rows; its sums over columns stay in shared memory.
template <bool kResidual, int N, class T>
__global__ void backward_rows(const T* x, const T* weight, const float* scale, const T* grad_y,
                              const T* grad_residual, T* grad_x, float* partial, int64_t n,
                              int64_t d) {
  extern __shared__ __align__(16) float columns[];
  const cuda::Block team;
  const int64_t part = blockIdx.x, parts = gridDim.x;
  team.each(d, [&](int64_t j) { columns[j] = 0; });
  for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i)
    backward_row<kResidual, N>(team, x + i * d, weight, scale[i], grad_y + i * d,
                               kResidual ? grad_residual + i * d : nullptr, grad_x + i * d, columns,
                               d);
  __syncthreads();  // columns are other members' where parts are of several numbers
  team.each(d, [&](int64_t j) { partial[part * d + j] = columns[j]; });
}

template <bool kResidual, int N, class T>
void launch_backward(cuda::Launch launch, const T* x, const T* weight, const float* scale,
                     const T* grad_y, const T* grad_residual, T* grad_x, float* partial, int64_t n,
                     int64_t d) {
  const auto kernel = backward_rows<kResidual, N, T>;
  kernel<<<cuda::n_parts(n), cuda::threads_for<N>(d), cuda::columns_bytes(kernel, d),
           launch.stream>>>(x, weight, scale, grad_y, grad_residual, grad_x, partial, n, d);
}

}  // namespace
}  // namespace rms_norm_kernel

cuda::Error cuda::rms_norm_forward(Launch launch, const void* x, const void* residual,
                                   const void* weight, void* s, void* y, float* scale, int64_t n,
                                   int64_t d, float epsilon) {
  if (n == 0) return nullptr;
  return with_words(launch.number, d, {x, residual, weight, s, y}, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    const auto *from = static_cast<const T*>(x), *w = static_cast<const T*>(weight);
    const dim3 rows(static_cast<unsigned>(n));
    if (residual)
      rms_norm_kernel::add_forward_rows<N><<<rows, threads_for<N>(d), 0, launch.stream>>>(
          from, static_cast<const T*>(residual), w, static_cast<T*>(s), static_cast<T*>(y), scale,
          d, epsilon);
    else
      rms_norm_kernel::forward_rows<N><<<rows, threads_for<N>(d), 0, launch.stream>>>(
          from, w, static_cast<T*>(y), scale, d, epsilon);
  });
}

cuda::Error cuda::rms_norm_backward(Launch launch, const void* x, const void* weight,
                                    const float* scale, const void* grad_y,
                                    const void* grad_residual, void* grad_x, float* partial,
                                    int64_t n, int64_t d) {
  const auto arrays = {x, weight, grad_y, grad_residual, static_cast<const void*>(grad_x)};
  return with_words(launch.number, d, arrays, [&](auto zero, auto numbers) {
    using T = decltype(zero);
    constexpr int N = numbers();
    const auto run = [&](auto kernel) {
      kernel(launch, static_cast<const T*>(x), static_cast<const T*>(weight), scale,
             static_cast<const T*>(grad_y), static_cast<const T*>(grad_residual),
             static_cast<T*>(grad_x), partial, n, d);
    };
    if (grad_residual)
      run(rms_norm_kernel::launch_backward<true, N, T>);
    else
      run(rms_norm_kernel::launch_backward<false, N, T>);
  });
}

}  // namespace sublab
