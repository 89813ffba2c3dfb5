// The arithmetic of swiglu, one element at a time.
#pragma once

#include "models/kernels/vector_math.h"

namespace sublab::swiglu_kernel {

template <class T>
SUBLAB_HOST_DEVICE void forward_element(const T& gate, const T& up, T& y) {
  const float a = load(gate);
  const float sigmoid = 1.0f / (1.0f + fast_exp(-a));
  store(y, a * sigmoid * load(up));
}

template <class T>
SUBLAB_HOST_DEVICE void backward_element(const T& gate, const T& up, const T& grad, T& grad_gate,
                                         T& grad_up) {
  const float a = load(gate), g = load(grad), u = load(up);
  const float sigmoid = 1.0f / (1.0f + fast_exp(-a));
  store(grad_up, g * a * sigmoid);
  store(grad_gate, g * u * sigmoid * (1.0f + a * (1.0f - sigmoid)));
}

}  // namespace sublab::swiglu_kernel
