// Linear maps of few rows: weights are read once, by all threads.
#include "models/kernels/skinny_linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cstring>

#include "models/kernels/device.h"
#include "models/kernels/vector_math.h"

namespace sublab {
namespace skinny_linear {

constexpr int64_t kMaxRows = 16;
/// Outputs that are computed together: so many rows of the weights stream side by side.
constexpr int64_t kOutputs = 4;
constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

/// `Rows` rows of x against `Outputs` rows of w: the register tile. 3 x 4 accumulators, the rows'
/// and one weight vector fill the 16 registers of AVX2. On the way, `n_ahead` rows of weights from
/// `ahead` on are called for: only a group's first tile waits for memory, so the others must fetch.
template <int64_t Rows, int64_t Outputs>
inline __attribute__((always_inline)) void tile(const float* x, const float* w, const float* bias,
                                                float* y, int64_t d, int64_t f, const float* ahead,
                                                int64_t n_ahead) {
  Lanes sums[Rows][Outputs] = {};
  int64_t j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    for (int64_t a = 0; a < n_ahead; ++a) __builtin_prefetch(ahead + a * d + j);
    Lanes rows[Rows];
    for (int64_t m = 0; m < Rows; ++m) std::memcpy(&rows[m], x + m * d + j, sizeof(Lanes));
    for (int64_t o = 0; o < Outputs; ++o) {
      Lanes weight;
      std::memcpy(&weight, w + o * d + j, sizeof(Lanes));
      for (int64_t m = 0; m < Rows; ++m) sums[m][o] += rows[m] * weight;
    }
  }
  for (int64_t m = 0; m < Rows; ++m)
    for (int64_t o = 0; o < Outputs; ++o) {
      float sum = bias ? bias[o] : 0.0f;
      for (int64_t i = j; i < d; ++i) sum += x[m * d + i] * w[o * d + i];
      const Lanes& s = sums[m][o];
      y[m * f + o] = sum + (((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])));
    }
}

template <int64_t Outputs>
inline __attribute__((always_inline)) void tiles(const float* x, const float* w, const float* bias,
                                                 float* y, int64_t n_rows, int64_t d, int64_t f,
                                                 const float* ahead) {
  const int64_t n_tiles = (n_rows + 2) / 3;
  for (int64_t i = 0; i < n_tiles; ++i) {
    const int64_t m = 3 * i, first = kOutputs * i / n_tiles;
    const int64_t n_ahead = ahead ? kOutputs * (i + 1) / n_tiles - first : 0;
    const float* next = ahead ? ahead + first * d : nullptr;
    if (n_rows - m >= 3)
      tile<3, Outputs>(x + m * d, w, bias, y + m * f, d, f, next, n_ahead);
    else if (n_rows - m == 2)
      tile<2, Outputs>(x + m * d, w, bias, y + m * f, d, f, next, n_ahead);
    else
      tile<1, Outputs>(x + m * d, w, bias, y + m * f, d, f, next, n_ahead);
  }
}

/// Outputs [begin, end) of every row.
SUBLAB_CLONES void outputs(const float* x, const float* w, const float* bias, float* y,
                           int64_t n_rows, int64_t d, int64_t f, int64_t begin, int64_t end) {
  int64_t o = begin;
  for (; o + kOutputs <= end; o += kOutputs) {
    const float* ahead = o + 2 * kOutputs <= end ? w + (o + kOutputs) * d : nullptr;
    tiles<kOutputs>(x, w + o * d, bias ? bias + o : nullptr, y + o, n_rows, d, f, ahead);
  }
  for (; o < end; ++o)
    tiles<1>(x, w + o * d, bias ? bias + o : nullptr, y + o, n_rows, d, f, nullptr);
}

bool wants_gradient(const at::Tensor& x, const at::Tensor& weight) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
}

/// Rows of whole 16 bytes, which lie one after another from an address that is a multiple of them.
bool fills_words(const at::Tensor& x) {
  return x.is_contiguous() && x.size(1) > 0 && x.size(1) * x.element_size() % 16 == 0 &&
         reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0;
}

bool skinny_on_cuda(const at::Tensor& x, const at::Tensor& weight) {
  return on_cuda(x) && has_fused_form({x, weight}) && x.size(0) <= cuda::kMostMapRows &&
         weight.size(0) > 0 && fills_words(x) && fills_words(weight);
}

/// One launch for at most cuda::kMostMaps maps.
std::vector<at::Tensor> maps_on_cuda(const at::Tensor& x, const std::vector<MapWeights>& maps) {
  std::vector<at::Tensor> out;
  std::vector<cuda::Map> places;
  for (const auto& [weight, bias] : maps) {
    TORCH_CHECK(weight.size(1) == x.size(1), "linear: weight of width ", weight.size(1),
                ", input of ", x.size(1));
    out.push_back(at::empty({x.size(0), weight.size(0)}, x.options()));
    places.push_back({weight.const_data_ptr(), bias.defined() ? bias.const_data_ptr() : nullptr,
                      out.back().data_ptr(), weight.size(0)});
  }
  if constexpr (kCudaKernels)
    launch(x, [&](cuda::Launch at) {
      return cuda::linear_maps(at, places.data(), static_cast<int>(places.size()),
                               x.const_data_ptr(), x.size(0), x.size(1));
    });
  return out;
}

}  // namespace skinny_linear

bool linear_is_skinny(const at::Tensor& x, const at::Tensor& weight) {
  using namespace skinny_linear;
  if (x.dim() != 2 || x.size(0) == 0 || wants_gradient(x, weight)) return false;
  if (!x.is_cpu()) return skinny_on_cuda(x, weight);
  return x.size(0) <= kMaxRows && x.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && weight.is_contiguous();
}

at::Tensor linear_map(const at::Tensor& x_in, const at::Tensor& weight, const at::Tensor& bias) {
  if (!linear_is_skinny(x_in, weight)) return at::linear(x_in, weight, bias);
  RECORD_FUNCTION("sublab::linear_map", std::vector<c10::IValue>({x_in, weight}));
  if (x_in.is_cuda()) return skinny_linear::maps_on_cuda(x_in, {{weight, bias}}).front();
  const at::Tensor x = x_in.contiguous();
  const int64_t n = x.size(0), d = x.size(1), f = weight.size(0);
  TORCH_CHECK(weight.size(1) == d, "linear: weight of width ", weight.size(1), ", input of ", d);
  at::Tensor y = at::empty({n, f}, x.options());
  const float* add = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  // Below this many weights waking a second thread costs more than it saves.
  constexpr int64_t kGrainWeights = 32768;
  const int64_t grain = std::max<int64_t>(1, kGrainWeights / std::max<int64_t>(d, 1));
  at::parallel_for(0, f, grain, [&](int64_t begin, int64_t end) {
    skinny_linear::outputs(x.const_data_ptr<float>(), weight.const_data_ptr<float>(), add,
                           y.data_ptr<float>(), n, d, f, begin, end);
  });
  return y;
}

std::vector<at::Tensor> linear_maps(const at::Tensor& x, const std::vector<MapWeights>& maps) {
  const bool together = x.is_cuda() && maps.size() <= size_t{cuda::kMostMaps} &&
                        std::all_of(maps.begin(), maps.end(), [&](const MapWeights& map) {
                          return linear_is_skinny(x, map.weight);
                        });
  if (together) return skinny_linear::maps_on_cuda(x, maps);
  std::vector<at::Tensor> out;
  for (const auto& [weight, bias] : maps) out.push_back(linear_map(x, weight, bias));
  return out;
}

}  // namespace sublab
