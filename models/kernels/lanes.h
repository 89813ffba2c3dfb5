// One CPU thread as the team of body.h. Sums run in 16 lanes, which the compiler turns into vector
// instructions and which are the same for every instruction set.
#pragma once

#include "models/kernels/body.h"

namespace sublab {

struct Lanes {
  static constexpr int kLanes = 16;

  template <class F>
  SUBLAB_HOST_DEVICE float sum(int64_t n, const F& f) const {
    float lanes[kLanes] = {};
    int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes)
      for (int k = 0; k < kLanes; ++k) lanes[k] += f(j + k);
    float total = 0;
    for (; j < n; ++j) total += f(j);
    for (const float lane : lanes) total += lane;
    return total;
  }

  template <class F>
  SUBLAB_HOST_DEVICE float max(int64_t n, const F& f) const {
    float lanes[kLanes];
    for (int k = 0; k < kLanes; ++k) lanes[k] = f(0);
    int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes)
      for (int k = 0; k < kLanes; ++k) lanes[k] = lanes[k] > f(j + k) ? lanes[k] : f(j + k);
    float top = f(0);
    for (const float lane : lanes) top = top > lane ? top : lane;
    for (; j < n; ++j) top = top > f(j) ? top : f(j);
    return top;
  }

  template <class F>
  SUBLAB_HOST_DEVICE void each(int64_t n, const F& f) const {
    for (int64_t j = 0; j < n; ++j) f(j);
  }

  SUBLAB_HOST_DEVICE bool owns(int64_t) const { return true; }
};

}  // namespace sublab
