// One CPU thread as the team of body.h, for bodies that work on several rows at once.
#pragma once

#include "models/kernels/lanes.h"

namespace sublab {

struct TileLanes : Lanes {
  SUBLAB_HOST_DEVICE void wait() const {}

  template <class F>
  SUBLAB_HOST_DEVICE void rows(int n, const F& f) const {
    for (int i = 0; i < n; ++i) f(static_cast<const Lanes&>(*this), i);
  }

  template <int S, class F, class Done>
  SUBLAB_HOST_DEVICE void along(int n, int parts, const F& f, const Done& done) const {
    for (int i = 0; i < n; ++i) {
      float sums[S] = {};
      for (int part = 0; part < parts; ++part) f(i, part, sums);
      for (int s = 0; s < S; ++s) done(i, s, sums[s]);
    }
  }

  template <int S, class F, class Done>
  SUBLAB_HOST_DEVICE void across(int n, int parts, const F& f, const Done& done) const {
    along<S>(n, parts, f, done);
  }
};

}  // namespace sublab
