// The arithmetic of softmax_gradient, one row at a time.
#pragma once

#include "models/kernels/vector_math.h"

namespace sublab::softmax_kernel {

/// Turns a row of logits into scale * d loss / d logits, in place, and returns its loss; zeros for
/// a label below 0.
template <class Team, class T>
SUBLAB_HOST_DEVICE float gradient_row(const Team& team, T* logits, int64_t vocab_size,
                                      int64_t label, float scale) {
  if (label < 0) {
    team.each(vocab_size, [&](int64_t j) SUBLAB_INLINE { store(logits[j], 0.0f); });
    return 0;
  }
  const float at_label = load(logits[label]);  // before its owner overwrites it
  const float top = team.max(vocab_size, [&](int64_t j) SUBLAB_INLINE { return load(logits[j]); });
  const float target = at_label - top;
  const float sum = team.sum(vocab_size, [&](int64_t j) SUBLAB_INLINE {
    const float e = fast_exp(load(logits[j]) - top);
    store(logits[j], e);
    return e;
  });
  const float factor = scale / sum;
  team.each(vocab_size,
            [&](int64_t j) SUBLAB_INLINE { store(logits[j], load(logits[j]) * factor); });
  if (team.owns(label)) {
    // A narrower type has rounded what 1 is to be subtracted from.
    if constexpr (sizeof(T) < sizeof(float))
      store(logits[label], fast_exp(target) * factor - scale);
    else
      logits[label] -= scale;
  }
  return std::log(sum) - target;
}

}  // namespace sublab::softmax_kernel
