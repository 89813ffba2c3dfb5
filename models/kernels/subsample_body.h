// The arithmetic of bypass_return, one kept row at a time.
#pragma once

#include "models/kernels/body.h"

namespace sublab::subsample_kernel {

/// Here and below N numbers are one part of a row, which one member has; d is a multiple of N.
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE void copy_row(const Team& team, const T* from, T* to, int64_t d) {
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float a[N];  // and back: no number changes on the way
    load_numbers<N>(from + part * N, a);
    store_numbers<N>(to + part * N, a);
  });
}

/// out += c * w * (y - x).
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE void add_row(const Team& team, T* out, const T* x, const T* y, float w,
                                const T* c, int64_t d) {
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float sum[N], a[N], b[N], share[N];
    load_numbers<N>(out + part * N, sum);
    load_numbers<N>(x + part * N, a);
    load_numbers<N>(y + part * N, b);
    load_numbers<N>(c + part * N, share);
    for (int j = 0; j < N; ++j) sum[j] = sum[j] + share[j] * w * (b[j] - a[j]);
    store_numbers<N>(out + part * N, sum);
  });
}

/// grad_x already holds grad_out and loses what passed through y instead; adds to grad_c [D].
/// Returns the gradient of w.
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE float add_row_backward(const Team& team, const T* grad_out, const T* x,
                                          const T* y, float w, const T* c, T* grad_x, T* grad_y,
                                          float* grad_c, int64_t d) {
  const float grad_w = team.sum(d / N, [&](int64_t part) SUBLAB_INLINE {
    float g[N], a[N], b[N], share[N], sums[N];
    load_numbers<N>(grad_out + part * N, g);
    load_numbers<N>(x + part * N, a);
    load_numbers<N>(y + part * N, b);
    load_numbers<N>(c + part * N, share);
    load_numbers<N>(grad_c + part * N, sums);
    for (int j = 0; j < N; ++j) {
      g[j] = g[j] * (b[j] - a[j]);
      sums[j] += g[j] * w;
    }
    store_numbers<N>(grad_c + part * N, sums);
    float moved = g[0] * share[0];
    for (int j = 1; j < N; ++j) moved += g[j] * share[j];
    return moved;
  });
  team.each(d / N, [&](int64_t part) SUBLAB_INLINE {
    float g[N], share[N], own[N];
    load_numbers<N>(grad_out + part * N, g);
    load_numbers<N>(c + part * N, share);
    load_numbers<N>(grad_x + part * N, own);
    for (int j = 0; j < N; ++j) {
      g[j] = g[j] * share[j] * w;
      own[j] = own[j] - g[j];
    }
    store_numbers<N>(grad_y + part * N, g);
    store_numbers<N>(grad_x + part * N, own);
  });
  return grad_w;
}

}  // namespace sublab::subsample_kernel
