// The arithmetic of bypass_return, one kept row at a time.
#pragma once

#include "models/kernels/body.h"

namespace sublab::subsample_kernel {

template <class Team, class T>
SUBLAB_HOST_DEVICE void copy_row(const Team& team, const T* from, T* to, int64_t d) {
  team.each(d, [&](int64_t j) SUBLAB_INLINE { to[j] = from[j]; });
}

/// out += c * w * (y - x).
template <class Team, class T>
SUBLAB_HOST_DEVICE void add_row(const Team& team, T* out, const T* x, const T* y, float w,
                                const T* c, int64_t d) {
  team.each(d, [&](int64_t j) SUBLAB_INLINE {
    store(out[j], load(out[j]) + load(c[j]) * w * (load(y[j]) - load(x[j])));
  });
}

/// grad_x already holds grad_out and loses what passed through y instead; adds to grad_c [D].
/// Returns the gradient of w.
template <class Team, class T>
SUBLAB_HOST_DEVICE float add_row_backward(const Team& team, const T* grad_out, const T* x,
                                          const T* y, float w, const T* c, T* grad_x, T* grad_y,
                                          float* grad_c, int64_t d) {
  const float grad_w = team.sum(d, [&](int64_t j) SUBLAB_INLINE {
    const float moved = load(grad_out[j]) * (load(y[j]) - load(x[j]));
    grad_c[j] += moved * w;
    return moved * load(c[j]);
  });
  team.each(d, [&](int64_t j) SUBLAB_INLINE {
    const float through = load(grad_out[j]) * load(c[j]) * w;
    store(grad_y[j], through);
    store(grad_x[j], load(grad_x[j]) - through);
  });
  return grad_w;
}

}  // namespace sublab::subsample_kernel
