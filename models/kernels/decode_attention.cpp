// A few queries against many cached keys, as one loop over (row, head).
#include "models/kernels/decode_attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "models/kernels/cache_attention_body.h"
#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/vector_math.h"
#include "models/transfer.h"

namespace sublab {
namespace decode_attention_kernel {

constexpr int64_t kPiece = 512;  ///< tokens per unit of parallel work
constexpr int64_t kBlock = 64;   ///< tokens whose weights are made together; stays in L1
constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

/// `n` tokens of one key/value head; rows lie `k_stride` and `v_stride` floats apart.
struct Keys {
  const float* k;
  const float* v;
  int64_t k_stride, v_stride, n;
};

/// logits[t] = scale q . k_t for `Tokens` tokens.
template <int64_t Tokens>
inline __attribute__((always_inline)) void dots(const float* q, const float* k, int64_t stride,
                                                int64_t d, float scale, float* logits) {
  Lanes sums[Tokens] = {};
  int64_t j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    Lanes query;
    std::memcpy(&query, q + j, sizeof(Lanes));
    for (int64_t t = 0; t < Tokens; ++t) {
      Lanes key;
      std::memcpy(&key, k + t * stride + j, sizeof(Lanes));
      sums[t] += query * key;
    }
  }
  for (int64_t t = 0; t < Tokens; ++t) {
    const Lanes& s = sums[t];
    float sum = ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
    for (int64_t i = j; i < d; ++i) sum += q[i] * k[t * stride + i];
    logits[t] = scale * sum;
  }
}

/// out += sum of weights[t] v_t over `Tokens` tokens.
template <int64_t Tokens>
inline __attribute__((always_inline)) void add_values(const float* weights, const float* v,
                                                      int64_t stride, int64_t d,
                                                      float* __restrict out) {
  for (int64_t j = 0; j < d; ++j) {
    float sum = out[j];
    for (int64_t t = 0; t < Tokens; ++t) sum += weights[t] * v[t * stride + j];
    out[j] = sum;
  }
}

/// One query over `keys`: out [d] = sum of e^(logit - top) v, and the two sums that merging needs.
SUBLAB_CLONES void attend(const float* q, const Keys& keys, int64_t d, float scale, float* out,
                          float* top_out, float* weight_out) {
  float logits[kBlock];
  float top = -std::numeric_limits<float>::infinity(), weight = 0;
  std::memset(out, 0, d * sizeof(float));
  for (int64_t begin = 0; begin < keys.n; begin += kBlock) {
    const int64_t n = keys.n - begin < kBlock ? keys.n - begin : kBlock;
    const float* k = keys.k + begin * keys.k_stride;
    const float* v = keys.v + begin * keys.v_stride;
    int64_t t = 0;
    for (; t + 4 <= n; t += 4)
      dots<4>(q, k + t * keys.k_stride, keys.k_stride, d, scale, logits + t);
    for (; t < n; ++t) dots<1>(q, k + t * keys.k_stride, keys.k_stride, d, scale, logits + t);
    float high = top;
    for (t = 0; t < n; ++t) high = high > logits[t] ? high : logits[t];
    if (high > top) {
      const float shrink = begin == 0 ? 0.0f : fast_exp(top - high);
      weight *= shrink;
      for (int64_t j = 0; j < d; ++j) out[j] *= shrink;
      top = high;
    }
    for (t = 0; t < n; ++t) logits[t] = fast_exp(logits[t] - top);
    for (t = 0; t < n; ++t) weight += logits[t];
    for (t = 0; t + 4 <= n; t += 4)
      add_values<4>(logits + t, v + t * keys.v_stride, keys.v_stride, d, out);
    for (; t < n; ++t) add_values<1>(logits + t, v + t * keys.v_stride, keys.v_stride, d, out);
  }
  *top_out = top;
  *weight_out = weight;
}

/// A piece of what a query sees, through one key/value head.
struct Unit {
  int64_t token, kv_head, begin, end;
};

void check(const VisibleTokens& tokens, int64_t kv_heads) {
  TORCH_CHECK(tokens.keys.size(0) > 0 && tokens.keys.size(1) == kv_heads &&
                  tokens.keys.stride(2) == 1 && tokens.values.stride(2) == 1,
              "decode_attention: keys ", tokens.keys.sizes(), ", strides ", tokens.keys.strides(),
              " and ", tokens.values.strides(), ", for ", kv_heads, " heads");
}

/// Work in units of pieces; a token's units go head by head, piece by piece.
std::vector<Unit> cut(const std::vector<VisibleTokens>& visible, int64_t kv_heads) {
  std::vector<Unit> units;
  for (size_t i = 0; i < visible.size(); ++i) {
    const int64_t n = visible[i].keys.size(0);
    check(visible[i], kv_heads);
    for (int64_t g = 0; g < kv_heads; ++g)
      for (int64_t begin = 0; begin < n; begin += kPiece)
        units.push_back({static_cast<int64_t>(i), g, begin, std::min(begin + kPiece, n)});
  }
  return units;
}

int64_t n_pairs(const std::vector<VisibleTokens>& visible) {
  int64_t pairs = 0;
  for (const VisibleTokens& tokens : visible) pairs += tokens.keys.size(0);
  return pairs;
}

/// What `attend` leaves per unit and query head: d sums of values, the largest logit, the sum of
/// weights.
int64_t record_size(int64_t d) { return d + 2; }

/// Joins the pieces of each query and head. `records` [units, group, record_size(d)].
void merge(const std::vector<Unit>& units, const float* records, int64_t group, int64_t d,
           float* out, int64_t heads) {
  const int64_t size = record_size(d);
  for (size_t u = 0; u < units.size();) {
    size_t end = u + 1;
    while (end < units.size() && units[end].begin > 0) ++end;
    for (int64_t h = 0; h < group; ++h) {
      const auto record = [&](size_t piece) { return records + (piece * group + h) * size; };
      float top = record(u)[d], weight = 0;
      for (size_t p = u; p < end; ++p) top = std::max(top, record(p)[d]);
      float* to = out + (units[u].token * heads + units[u].kv_head * group + h) * d;
      std::fill(to, to + d, 0.0f);
      for (size_t p = u; p < end; ++p) {
        const float share = std::exp(record(p)[d] - top);
        weight += share * record(p)[d + 1];
        for (int64_t j = 0; j < d; ++j) to[j] += share * record(p)[j];
      }
      for (int64_t j = 0; j < d; ++j) to[j] /= weight;
    }
    u = end;
  }
}

bool aligned(const at::Tensor& x) {
  const auto fits = [&](int64_t numbers) { return numbers * x.element_size() % 16 == 0; };
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0 && fits(x.stride(0)) &&
         fits(x.stride(1)) && fits(x.size(2));
}

at::Tensor attend_on_cuda(const at::Tensor& q, const std::vector<VisibleTokens>& visible,
                          double scale) {
  static_assert(sizeof(cuda::KeyPlace) == 7 * sizeof(int64_t));
  at::Tensor table = at::empty({q.size(0), 7}, at::kLong);
  auto* places = static_cast<cuda::KeyPlace*>(table.data_ptr());
  cuda::DecodeShape shape{.tokens = q.size(0),
                          .heads = q.size(1),
                          .kv_heads = visible[0].keys.size(1),
                          .width = q.size(2),
                          .most_keys = 0,
                          .scale = static_cast<float>(scale)};
  bool all_aligned = true;
  for (const auto& [k, v] : visible) {
    check({k, v}, shape.kv_heads);
    TORCH_CHECK(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(),
                "decode_attention: ", k.scalar_type(), " keys for ", q.scalar_type());
    *places++ = {k.const_data_ptr(), v.const_data_ptr(), k.stride(0), v.stride(0),
                 k.stride(1),        v.stride(1),        k.size(0)};
    shape.most_keys = std::max(shape.most_keys, k.size(0));
    all_aligned = all_aligned && aligned(k) && aligned(v);
  }
  const at::Tensor there = sent_to(q.device(), table);
  const int64_t n_pieces =
      (shape.most_keys + cache_attention_kernel::kPiece - 1) / cache_attention_kernel::kPiece;
  at::Tensor records = at::empty(
      {shape.tokens, shape.heads, n_pieces, cache_attention_kernel::record_size(shape.width)},
      q.options().dtype(at::kFloat));
  at::Tensor out = at::empty_like(q);
  if constexpr (kCudaKernels)
    launch(q, [&](cuda::Launch at) {
      return cuda::decode_attention(at, shape, q.const_data_ptr(),
                                    static_cast<const cuda::KeyPlace*>(there.const_data_ptr()),
                                    all_aligned, records.data_ptr<float>(), out.data_ptr());
    });
  return out;
}

}  // namespace decode_attention_kernel

bool has_decode_attention(const at::Tensor& q) {
  return has_fused_form({q}) && !(at::GradMode::is_enabled() && q.requires_grad());
}

at::Tensor decode_attention_naive(const at::Tensor& q, const std::vector<VisibleTokens>& visible,
                                  double scale) {
  std::vector<at::Tensor> out;
  for (int64_t i = 0; i < q.size(0); ++i) {
    const int64_t group = q.size(1) / visible[i].keys.size(1);
    const at::Tensor k = visible[i].keys.repeat_interleave(group, 1);    // [T, H, K]
    const at::Tensor v = visible[i].values.repeat_interleave(group, 1);  // [T, H, K]
    const at::Tensor weights = ((k * q[i]).sum(-1) * scale).softmax(0);  // [T, H]
    out.push_back((weights.unsqueeze(-1) * v).sum(0));
  }
  return out.empty() ? at::empty_like(q) : at::stack(out);
}

at::Tensor decode_attention(const at::Tensor& q_in, const std::vector<VisibleTokens>& visible,
                            double scale) {
  using namespace decode_attention_kernel;
  if (!has_decode_attention(q_in)) return decode_attention_naive(q_in, visible, scale);
  TORCH_CHECK(static_cast<int64_t>(visible.size()) == q_in.size(0), "one set of keys per query");
  const at::Tensor q = q_in.contiguous();
  if (q.size(0) == 0) return at::empty_like(q);
  RECORD_FUNCTION("sublab::decode_attention", std::vector<c10::IValue>({q, n_pairs(visible)}));
  if (q.is_cuda()) return attend_on_cuda(q, visible, scale);
  const int64_t heads = q.size(1), d = q.size(2), kv_heads = visible[0].keys.size(1);
  const int64_t group = heads / kv_heads;
  const std::vector<Unit> units = cut(visible, kv_heads);
  at::Tensor out = at::empty_like(q);
  const auto n_units = static_cast<int64_t>(units.size());
  at::Tensor partial = at::empty({n_units, group, record_size(d)}, q.options());
  auto* records = partial.data_ptr<float>();
  const auto* queries = q.const_data_ptr<float>();
  const int64_t per_unit = std::min(visible[0].keys.size(0), kPiece) * d;
  at::parallel_for(0, n_units, grain_of(per_unit), [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) {
      const Unit& unit = units[u];
      const at::Tensor &k = visible[unit.token].keys, &v = visible[unit.token].values;
      const auto place = [&](const at::Tensor& x) {
        return x.const_data_ptr<float>() + unit.begin * x.stride(0) + unit.kv_head * x.stride(1);
      };
      const Keys keys{place(k), place(v), k.stride(0), v.stride(0), unit.end - unit.begin};
      for (int64_t h = 0; h < group; ++h) {
        float* to = records + (u * group + h) * record_size(d);
        attend(queries + (unit.token * heads + unit.kv_head * group + h) * d, keys, d,
               static_cast<float>(scale), to, to + d, to + d + 1);
      }
    }
  });
  merge(units, records, group, d, out.data_ptr<float>(), heads);
  return out;
}

}  // namespace sublab
