// The arithmetic of rotate, one pair at a time.
#pragma once

#include "models/kernels/body.h"

namespace sublab::rotate_kernel {

/// Element i and i + half of one head by the i-th angle of the token; `direction` is 1 or -1.
template <class T>
SUBLAB_HOST_DEVICE void rotate_pair(const T* x, const T* cos, const T* sin, T* y, int64_t i,
                                    int64_t half, float direction) {
  const float sine = direction * load(sin[i]);
  const float a = load(x[i]), b = load(x[i + half]);
  store(y[i], a * load(cos[i]) - b * sine);
  store(y[i + half], b * load(cos[i]) + a * sine);
}

}  // namespace sublab::rotate_kernel
