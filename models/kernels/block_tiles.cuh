// A block of CUDA threads as the team of body.h, for bodies that work on several rows at once.
#pragma once

#include "models/kernels/block.cuh"

namespace sublab::cuda {

/// 32 threads that have a row, or an item, to themselves.
struct Warp {
  template <class F>
  __device__ __forceinline__ float sum(int64_t n, const F& f) const {
    float own = 0;
    for (int64_t j = lane(); j < n; j += 32) own += f(j);
    for (int offset = 16; offset > 0; offset /= 2) own += __shfl_xor_sync(0xFFFFFFFF, own, offset);
    return own;
  }

  template <class F>
  __device__ __forceinline__ float max(int64_t n, const F& f) const {
    float own = f(0);
    for (int64_t j = lane(); j < n; j += 32) own = fmaxf(own, f(j));
    for (int offset = 16; offset > 0; offset /= 2)
      own = fmaxf(own, __shfl_xor_sync(0xFFFFFFFF, own, offset));
    return own;
  }

  __device__ __forceinline__ bool owns(int64_t j) const { return j % 32 == lane(); }

  template <int S, class F, class Done>
  __device__ __forceinline__ void along(int n, int parts, const F& f, const Done& done) const {
    for (int i = 0; i < n; ++i) {
      float sums[S] = {};
#pragma unroll 4
      for (int part = lane(); part < parts; part += 32) f(i, part, sums);
#pragma unroll
      for (int s = 0; s < S; ++s) {
        for (int offset = 16; offset > 0; offset /= 2)
          sums[s] += __shfl_xor_sync(0xFFFFFFFF, sums[s], offset);
        if (s % 32 == lane()) done(i, s, sums[s]);
      }
    }
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x % 32); }
};

/// `meeting` is shared memory of blockDim.x * S numbers for the largest S of an `across`.
struct BlockTiles : Block {
  static constexpr int kLanes = 8;  ///< that share an item in `along`

  float* meeting;
  __device__ __forceinline__ explicit BlockTiles(float* shared) : meeting(shared) {}

  __device__ __forceinline__ void wait() const { __syncthreads(); }

  template <class F>
  __device__ __forceinline__ void rows(int n, const F& f) const {
    const int warps = static_cast<int>(blockDim.x / 32);
    for (int i = static_cast<int>(threadIdx.x / 32); i < n; i += warps) f(Warp{}, i);
  }

  template <int S, class F, class Done>
  __device__ __forceinline__ void along(int n, int parts, const F& f, const Done& done) const {
    const int lane = static_cast<int>(threadIdx.x % kLanes);
    const int groups = static_cast<int>(blockDim.x / kLanes);
    const unsigned mates = 0xFFu << (threadIdx.x % 32 / kLanes * kLanes);
    for (int i = static_cast<int>(threadIdx.x / kLanes); i < n; i += groups) {
      float sums[S] = {};
#pragma unroll 2
      for (int part = lane; part < parts; part += kLanes) f(i, part, sums);
#pragma unroll
      for (int s = 0; s < S; ++s) {
        for (int offset = kLanes / 2; offset > 0; offset /= 2)
          sums[s] += __shfl_xor_sync(mates, sums[s], offset);
        if (s % kLanes == lane) done(i, s, sums[s]);
      }
    }
  }

  /// Threads stand in slices of one per item, each with its share of the parts; slices are added in
  /// their order.
  template <int S, class F, class Done>
  __device__ __forceinline__ void across(int n, int parts, const F& f, const Done& done) const {
    const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
    const int columns = n < threads ? n : threads, slices = threads / columns;
    const int slice = thread / columns;
    for (int first = 0; first < n; first += columns) {
      const int item = first + thread % columns;
      float sums[S] = {};
      if (slice < slices && item < n)
#pragma unroll 4
        for (int part = slice; part < parts; part += slices) f(item, part, sums);
#pragma unroll
      for (int s = 0; s < S; ++s) meeting[s * threads + thread] = sums[s];
      __syncthreads();
      for (int i = thread; i < S * columns; i += threads) {
        const int s = i / columns, column = i - s * columns;
        float sum = 0;
        for (int k = 0; k < slices; ++k) sum += meeting[s * threads + k * columns + column];
        if (first + column < n) done(first + column, s, sum);
      }
      __syncthreads();
    }
  }
};

}  // namespace sublab::cuda
