// The arithmetic of softmax_gradient, one row at a time.
#pragma once

#include "models/kernels/vector_math.h"

namespace sublab::softmax_kernel {

/// Turns a row of logits into scale * d loss / d logits, in place, and returns its loss; zeros for
/// a label below 0. N numbers are one part of the row, which one member has. fp32 keeps e^(logit -
/// top) between the passes; a narrower type would round it, and makes it twice.
template <int N, class Team, class T>
SUBLAB_HOST_DEVICE float gradient_row(const Team& team, T* logits, int64_t vocab_size,
                                      int64_t label, float scale) {
  constexpr bool kKeeps = sizeof(T) == sizeof(float);
  const int64_t parts = vocab_size / N;
  if (label < 0) {
    team.each(vocab_size, [&](int64_t j) SUBLAB_INLINE { store(logits[j], 0.0f); });
    return 0;
  }
  const float at_label = load(logits[label]);  // before its owner overwrites it
  const float top = team.max(parts, [&](int64_t part) SUBLAB_INLINE {
    float a[N];
    load_numbers<N>(logits + part * N, a);
    float most = a[0];
    for (int j = 1; j < N; ++j) most = most > a[j] ? most : a[j];
    return most;
  });
  const float target = at_label - top;
  const float sum = team.sum(parts, [&](int64_t part) SUBLAB_INLINE {
    float e[N];
    load_numbers<N>(logits + part * N, e);
    for (int j = 0; j < N; ++j) e[j] = fast_exp(e[j] - top);
    if constexpr (kKeeps) store_numbers<N>(logits + part * N, e);
    float all = e[0];
    for (int j = 1; j < N; ++j) all += e[j];
    return all;
  });
  const float factor = scale / sum;
  team.each(parts, [&](int64_t part) SUBLAB_INLINE {
    float e[N];
    load_numbers<N>(logits + part * N, e);
    for (int j = 0; j < N; ++j) e[j] = (kKeeps ? e[j] : fast_exp(e[j] - top)) * factor;
    store_numbers<N>(logits + part * N, e);
  });
  if (team.owns(label / N)) {
    if constexpr (kKeeps)
      logits[label] -= scale;
    else  // rounded it would spoil what 1 is subtracted from
      store(logits[label], fast_exp(target) * factor - scale);
  }
  return std::log(sum) - target;
}

}  // namespace sublab::softmax_kernel
