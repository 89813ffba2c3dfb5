// Blocks of threads as the team of body.h, one thread after another.
#pragma once

#include <algorithm>
#include <vector>

#include "models/kernels/lanes.h"

namespace sublab {

/// N threads: each sums its own elements, then the sums are added.
template <int64_t N>
struct BlockThreads {
  static constexpr int64_t kThreads = N;

  template <class F>
  float sum(int64_t n, const F& f) const {
    float total = 0;
    for (int64_t thread = 0; thread < kThreads; ++thread) {
      float own = 0;
      for (int64_t j = thread; j < n; j += kThreads) own += f(j);
      total += own;
    }
    return total;
  }

  template <class F>
  float max(int64_t n, const F& f) const {
    float top = f(0);
    for (int64_t j = 1; j < n; ++j) top = std::max(top, f(j));
    return top;
  }

  template <class F>
  void each(int64_t n, const F& f) const {
    for (int64_t thread = 0; thread < kThreads; ++thread)
      for (int64_t j = thread; j < n; j += kThreads) f(j);
  }

  bool owns(int64_t) const { return true; }
};

/// 128 of them in each of a body's phases. Between two phases of a body stands wait(), or it would
/// not be right on CUDA either.
struct TileThreads : BlockThreads<128> {
  static constexpr int kLanes = 8;

  void wait() const {}

  template <class F>
  void rows(int n, const F& f) const {
    for (int i = n - 1; i >= 0; --i) f(Lanes{}, i);
  }

  template <int S, class F, class Done>
  void along(int n, int parts, const F& f, const Done& done) const {
    for (int i = n - 1; i >= 0; --i) {
      float total[S] = {};
      for (int lane = 0; lane < kLanes; ++lane) {
        float own[S] = {};
        for (int part = lane; part < parts; part += kLanes) f(i, part, own);
        for (int s = 0; s < S; ++s) total[s] += own[s];
      }
      for (int s = 0; s < S; ++s) done(i, s, total[s]);
    }
  }

  template <int S, class F, class Done>
  void across(int n, int parts, const F& f, const Done& done) const {
    const int slices = static_cast<int>(kThreads / std::min<int64_t>(n, kThreads));
    for (int item = 0; item < n; ++item) {
      float total[S] = {};
      for (int slice = 0; slice < slices; ++slice) {
        float own[S] = {};
        for (int part = slice; part < parts; part += slices) f(item, part, own);
        for (int s = 0; s < S; ++s) total[s] += own[s];
      }
      for (int s = 0; s < S; ++s) done(item, s, total[s]);
    }
  }
};

}  // namespace sublab
