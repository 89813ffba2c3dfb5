// The arithmetic of rms_norm and add_rms_norm, one row at a time.
#pragma once

#include "models/kernels/body.h"

namespace sublab::rms_norm_kernel {

/// y = x / sqrt(mean(x^2) + epsilon) * weight; `scale` receives the factor of the row.
template <class Team, class T>
SUBLAB_HOST_DEVICE void forward_row(const Team& team, const T* x, const T* weight, T* y,
                                    float* scale, int64_t d, float epsilon) {
  const float sum = team.sum(d, [&](int64_t j) SUBLAB_INLINE { return load(x[j]) * load(x[j]); });
  const float r = 1.0f / std::sqrt(sum / static_cast<float>(d) + epsilon);
  if (team.owns(0)) *scale = r;
  team.each(d, [&](int64_t j)
                   SUBLAB_INLINE { store(y[j], rounded<T>(load(x[j]) * r) * load(weight[j])); });
}

/// The same for s = x + residual, which is kept.
template <class Team, class T>
SUBLAB_HOST_DEVICE void add_forward_row(const Team& team, const T* x, const T* residual,
                                        const T* weight, T* s, T* y, float* scale, int64_t d,
                                        float epsilon) {
  team.each(d, [&](int64_t j) SUBLAB_INLINE { store(s[j], load(x[j]) + load(residual[j])); });
  forward_row(team, static_cast<const T*>(s), weight, y, scale, d, epsilon);
}

/// grad_x, to which `grad_residual` is added where there is one; adds to grad_weight [D].
template <bool kResidual, class Team, class T>
SUBLAB_HOST_DEVICE void backward_row(const Team& team, const T* x, const T* weight, float r,
                                     const T* grad_y, const T* grad_residual, T* grad_x,
                                     float* grad_weight, int64_t d) {
  const float dot = team.sum(
      d, [&](int64_t j) SUBLAB_INLINE { return load(grad_y[j]) * load(weight[j]) * load(x[j]); });
  const float pull = dot * r * r * r / static_cast<float>(d);
  team.each(d, [&](int64_t j) SUBLAB_INLINE {
    const float g = load(grad_y[j]), through = g * load(weight[j]) * r - load(x[j]) * pull;
    grad_weight[j] += g * load(x[j]) * r;
    if constexpr (kResidual)
      store(grad_x[j], load(grad_residual[j]) + through);
    else
      store(grad_x[j], through);
  });
}

}  // namespace sublab::rms_norm_kernel
