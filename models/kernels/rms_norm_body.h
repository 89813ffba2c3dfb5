// The arithmetic of rms_norm and add_rms_norm, one row at a time.
#pragma once

#include "models/kernels/body.h"

namespace sublab::rms_norm_kernel {

/// y = x / sqrt(mean(x^2) + epsilon) * weight; `scale` receives the factor of the row. Here and
/// below N numbers are one part of a row, which one member has; d is a multiple of N.
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE void forward_row(const Team& team, const T* x, const T* weight, T* y,
                                    float* scale, int64_t d, float epsilon) {
  const float sum = team.sum(d / N, [&](int64_t part) SUBLAB_INLINE {
    float a[N];
    load_numbers<N>(x + part * N, a);
    float squares = a[0] * a[0];
    for (int j = 1; j < N; ++j) squares += a[j] * a[j];
    return squares;
  });
  const float r = 1.0f / std::sqrt(sum / static_cast<float>(d) + epsilon);
  if (team.owns(0)) *scale = r;
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float a[N], w[N];
    load_numbers<N>(x + part * N, a);
    load_numbers<N>(weight + part * N, w);
    for (int j = 0; j < N; ++j) a[j] = rounded<T>(a[j] * r) * w[j];
    store_numbers<N>(y + part * N, a);
  });
}

/// The same for s = x + residual, which is kept.
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE void add_forward_row(const Team& team, const T* x, const T* residual,
                                        const T* weight, T* s, T* y, float* scale, int64_t d,
                                        float epsilon) {
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float a[N], b[N];
    load_numbers<N>(x + part * N, a);
    load_numbers<N>(residual + part * N, b);
    for (int j = 0; j < N; ++j) a[j] = a[j] + b[j];
    store_numbers<N>(s + part * N, a);
  });
  forward_row<N>(team, static_cast<const T*>(s), weight, y, scale, d, epsilon);
}

/// grad_x, to which `grad_residual` is added where there is one; adds to grad_weight [D].
template <bool kResidual, int N, class Team, class T>
SUBLAB_HOST_DEVICE void backward_row(const Team& team, const T* x, const T* weight, float r,
                                     const T* grad_y, const T* grad_residual, T* grad_x,
                                     float* grad_weight, int64_t d) {
  const float dot = team.sum(d / N, [&](int64_t part) SUBLAB_INLINE {
    float g[N], w[N], a[N];
    load_numbers<N>(grad_y + part * N, g);
    load_numbers<N>(weight + part * N, w);
    load_numbers<N>(x + part * N, a);
    float products = g[0] * w[0] * a[0];
    for (int j = 1; j < N; ++j) products += g[j] * w[j] * a[j];
    return products;
  });
  const float pull = dot * r * r * r / static_cast<float>(d);
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float g[N], w[N], a[N], sums[N], out[N];
    load_numbers<N>(grad_y + part * N, g);
    load_numbers<N>(weight + part * N, w);
    load_numbers<N>(x + part * N, a);
    load_numbers<N>(grad_weight + part * N, sums);
    if constexpr (kResidual) load_numbers<N>(grad_residual + part * N, out);
    for (int j = 0; j < N; ++j) {
      const float through = g[j] * w[j] * r - a[j] * pull;
      sums[j] += g[j] * a[j] * r;
      if constexpr (kResidual)
        out[j] = out[j] + through;
      else
        out[j] = through;
    }
    store_numbers<N>(grad_weight + part * N, sums);
    store_numbers<N>(grad_x + part * N, out);
  });
}

}  // namespace sublab::rms_norm_kernel
