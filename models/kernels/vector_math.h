// exp for loops that the compiler turns into vector instructions.
#pragma once

#include "models/kernels/body.h"

// Loops below are built for several instruction sets; the loader picks one at run time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SUBLAB_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define SUBLAB_CLONES
#endif

namespace sublab {

/// e^x in fp32, relative error below 2e-7 for x in [-87, 88]; clamped outside. Cody-Waite reduction
/// and a degree-6 polynomial (coefficients of Cephes expf).
SUBLAB_HOST_DEVICE float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // round to nearest by 1.5 * 2^23
  const float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t exponent = (static_cast<int32_t>(n) + 127) << 23;
  return p * float_of(static_cast<uint32_t>(exponent));
}

}  // namespace sublab
