// Linear maps of few rows on CUDA: a warp reads some rows of the weights, 16 bytes a thread, and
// multiplies them with all rows of the input, which stay in the cache. One launch serves all maps
// of an input.
#include <type_traits>

#include "models/kernels/block_tiles.cuh"
#include "models/kernels/skinny_linear_body.h"

namespace sublab {
namespace skinny_linear {
namespace {

constexpr int kWarps = 4;

struct Maps {
  cuda::Map at[cuda::kMostMaps];
  int n;
};

template <int Rows, int Outputs, class T>
__global__ void __launch_bounds__(32 * kWarps) map_outputs(Maps maps, const T* x, int64_t d) {
  int64_t tile = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  for (int i = 0; i < maps.n; ++i) {
    const cuda::Map map = maps.at[i];
    const int64_t n_tiles = (map.f + Outputs - 1) / Outputs;
    if (tile >= n_tiles) {
      tile -= n_tiles;
      continue;
    }
    const int64_t o = tile * Outputs, left = map.f - o;
    const T* bias = static_cast<const T*>(map.bias);
    map_tile<Rows, Outputs, 16 / sizeof(T)>(
        cuda::Warp{}, x, static_cast<const T*>(map.weight) + o * d, bias ? bias + o : nullptr,
        static_cast<T*>(map.y) + o, d, map.f, static_cast<int>(left < Outputs ? left : Outputs));
    return;
  }
}

/// More outputs share what is loaded of x where there are more rows of it.
template <int Rows, class T>
void launch_rows(cuda::Launch launch, const Maps& maps, const T* x, int64_t d) {
  constexpr int kOutputs = Rows <= 4 ? 2 : 4;
  int64_t tiles = 0;
  for (int i = 0; i < maps.n; ++i) tiles += (maps.at[i].f + kOutputs - 1) / kOutputs;
  const auto blocks = static_cast<unsigned>((tiles + kWarps - 1) / kWarps);
  map_outputs<Rows, kOutputs><<<blocks, 32 * kWarps, 0, launch.stream>>>(maps, x, d);
}

template <int Rows, class T>
void with_rows(int64_t rows, cuda::Launch launch, const Maps& maps, const T* x, int64_t d) {
  if constexpr (Rows > 1)
    if (rows < Rows) return with_rows<Rows - 1>(rows, launch, maps, x, d);
  launch_rows<Rows>(launch, maps, x, d);
}

}  // namespace
}  // namespace skinny_linear

cuda::Error cuda::linear_maps(Launch launch, const Map* maps, int n_maps, const void* x,
                              int64_t rows, int64_t d) {
  skinny_linear::Maps all;
  all.n = n_maps;
  for (int i = 0; i < n_maps; ++i) all.at[i] = maps[i];
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    skinny_linear::with_rows<kMostMapRows>(rows, launch, all, static_cast<const T*>(x), d);
  });
}

}  // namespace sublab
