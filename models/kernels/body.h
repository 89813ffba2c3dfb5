// What the bodies of the kernels are written in. A body (<operation>_body.h, C++17) is the
// arithmetic of one row or one element. The C++ compiler makes the CPU loop of it
// (<operation>.cpp), nvcc the CUDA kernel (<operation>.cu), a test calls it as a block of threads
// would.
//
// Bodies of rows are given a team, which is who works on the row:
//   float sum(n, f), float max(n, f)   over f(0) ... f(n - 1), the same for every member
//   void each(n, f)                    f(0) ... f(n - 1); the member that calls f(j) is the same in
//                                      sum, max and each, so that one may read what the other wrote
//   bool owns(j)                       whether this member is the one that calls f(j)
//
// A team that works on several rows at once has more to offer (tile_lanes.h, block_tiles.cuh):
//   void wait()                        what any member wrote before is seen by all after
//   void rows(n, f)                    f(row's own team, i) for i of 0 ... n - 1
//   void along<S>(n, parts, f, done)   S sums per item i of 0 ... n - 1: f(i, part, sums) adds to
//   void across<S>(n, parts, f, done)  them for each part, done(i, s, sum) takes each. Neighbouring
//                                      members share an item in `along` and have items next to each
//                                      other in `across`, as what they read lies in memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define SUBLAB_HOST_DEVICE __device__ __forceinline__
#define SUBLAB_INLINE
#else
#define SUBLAB_HOST_DEVICE inline __attribute__((always_inline))
#define SUBLAB_INLINE __attribute__((always_inline))
#endif

namespace sublab {

/// The upper half of an fp32 number, as at::BFloat16 and __nv_bfloat16 store it.
struct Bfloat16 {
  uint16_t bits;
};

SUBLAB_HOST_DEVICE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

SUBLAB_HOST_DEVICE float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

SUBLAB_HOST_DEVICE float load(float number) { return number; }
SUBLAB_HOST_DEVICE float load(Bfloat16 number) { return float_of(uint32_t{number.bits} << 16); }

SUBLAB_HOST_DEVICE void store(float& to, float value) { to = value; }

/// Rounds to nearest, ties to even; NaN stays NaN.
SUBLAB_HOST_DEVICE void store(Bfloat16& to, float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  to.bits = static_cast<uint16_t>(value == value ? rounded : 0x7FC0);
}

/// N numbers that lie together; accesses of 16 bytes where they fill them, to which they are
/// aligned then.
template <int N, class T>
SUBLAB_HOST_DEVICE void load_numbers(const T* from, float* to) {
#ifdef __CUDACC__
  if constexpr (N * sizeof(T) % 16 == 0) {
    alignas(16) T numbers[N];
    for (int i = 0; i < static_cast<int>(N * sizeof(T) / 16); ++i)
      reinterpret_cast<uint4*>(numbers)[i] = reinterpret_cast<const uint4*>(from)[i];
    for (int j = 0; j < N; ++j) to[j] = load(numbers[j]);
  } else
#endif
    for (int j = 0; j < N; ++j) to[j] = load(from[j]);
}

/// The way back.
template <int N, class T>
SUBLAB_HOST_DEVICE void store_numbers(T* to, const float* values) {
#ifdef __CUDACC__
  if constexpr (N * sizeof(T) % 16 == 0) {
    alignas(16) T numbers[N];
    for (int j = 0; j < N; ++j) store(numbers[j], values[j]);
    for (int i = 0; i < static_cast<int>(N * sizeof(T) / 16); ++i)
      reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(numbers)[i];
  } else
#endif
    for (int j = 0; j < N; ++j) store(to[j], values[j]);
}

/// `value` as T can hold it.
template <class T>
SUBLAB_HOST_DEVICE float rounded(float value) {
  T number;
  store(number, value);
  return load(number);
}

}  // namespace sublab
