// One token per row against caches of known capacity: the plain form, the CPU's loop, the launches.
#include "models/kernels/cache_attention.h"

#include <ATen/Parallel.h>

#include <limits>
#include <vector>

#include "models/kernels/cache_attention_body.h"
#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/tile_lanes.h"
#include "models/wide_type.h"

namespace sublab {
namespace cache_attention_kernel {

/// One query head over its row's `n` tokens; `records` has room for its pieces.
template <int N>
inline __attribute__((always_inline)) void attend_head(const float* q, const float* k,
                                                       const float* v, int64_t n, int d,
                                                       float scale, const Scratch& scratch,
                                                       float* records, float* out) {
  int64_t n_pieces = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece, ++n_pieces) {
    const auto here = static_cast<int>(n - begin < kPiece ? n - begin : kPiece);
    attend_piece<1, N>(TileLanes{}, q, 1, d, Piece<float>{k + begin * d, v + begin * d, d, d, here},
                       scale, scratch, records + n_pieces * record_size(d), 0);
  }
  merge_pieces(TileLanes{}, records, static_cast<int>(n_pieces), d, out);
}

SUBLAB_CLONES void attend(const float* q, const float* k, const float* v, int64_t n, int d,
                          float scale, const Scratch& scratch, float* records, float* out) {
  if (d % 8 == 0)
    attend_head<8>(q, k, v, n, d, scale, scratch, records, out);
  else
    attend_head<1>(q, k, v, n, d, scale, scratch, records, out);
}

int64_t n_pieces(int64_t tokens) { return (tokens + kPiece - 1) / kPiece; }

at::Tensor attend_on_cpu(const at::Tensor& q, const at::Tensor& row, const at::Tensor& memory,
                         const at::Tensor& lengths, double scale) {
  const int64_t heads = q.size(1), kv_heads = memory.size(2), capacity = memory.size(3);
  const auto d = static_cast<int>(q.size(2));
  at::Tensor out = at::empty_like(q);
  const auto *queries = q.const_data_ptr<float>(), *keys = memory.const_data_ptr<float>();
  const auto *rows = row.const_data_ptr<int64_t>(), *held = lengths.const_data_ptr<int64_t>();
  auto* to = out.data_ptr<float>();
  at::parallel_for(0, q.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> query(d), weights(kPiece), records(n_pieces(capacity) * record_size(d));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = rows[i / heads], g = i % heads / (heads / kv_heads);
      const float* k = keys + (b * kv_heads + g) * capacity * d;
      attend(queries + i * d, k, k + memory.stride(0), std::min(held[b] + 1, capacity), d,
             static_cast<float>(scale), {query.data(), weights.data()}, records.data(), to + i * d);
    }
  });
  return out;
}

at::Tensor attend_on_cuda(const at::Tensor& q, const at::Tensor& row, const at::Tensor& memory,
                          const at::Tensor& lengths, double scale) {
  const cuda::DecodeShape shape{.tokens = q.size(0),
                                .heads = q.size(1),
                                .kv_heads = memory.size(2),
                                .width = q.size(2),
                                .most_keys = memory.size(3),
                                .scale = static_cast<float>(scale)};
  at::Tensor out = at::empty_like(q);
  at::Tensor records =
      at::empty({shape.tokens, shape.heads, n_pieces(shape.most_keys), record_size(shape.width)},
                q.options().dtype(at::kFloat));
  if constexpr (kCudaKernels)
    launch(q, [&](cuda::Launch at) {
      return cuda::cache_attention(at, shape, q.const_data_ptr(), row.const_data_ptr<int64_t>(),
                                   memory.const_data_ptr(), memory.size(1),
                                   lengths.const_data_ptr<int64_t>(), records.data_ptr<float>(),
                                   out.data_ptr());
    });
  return out;
}

void check(const at::Tensor& x, const at::Tensor& row, const at::Tensor& memory,
           const at::Tensor& lengths) {
  TORCH_CHECK(memory.dim() == 5 && memory.is_contiguous() && x.dim() == 3 &&
                  x.size(0) == row.numel() && x.size(2) == memory.size(4) &&
                  lengths.numel() == memory.size(1) && row.scalar_type() == at::kLong &&
                  lengths.scalar_type() == at::kLong,
              "cache_attention: tokens ", x.sizes(), " of ", row.sizes(), " rows, memory ",
              memory.sizes(), ", lengths ", lengths.sizes());
}

}  // namespace cache_attention_kernel

void cache_append_naive(const at::Tensor& k, const at::Tensor& v, const at::Tensor& row,
                        const at::Tensor& memory, const at::Tensor& lengths) {
  const int64_t kv_heads = memory.size(2), capacity = memory.size(3), d = memory.size(4);
  // A token without room overwrites the last one: no read by the host tells.
  const at::Tensor place = lengths.index_select(0, row).clamp_max(capacity - 1);
  const at::Tensor head = row.unsqueeze(1) * kv_heads + at::arange(kv_heads, row.options());
  const at::Tensor index = (head * capacity + place.unsqueeze(1)).flatten();  // [M * G]
  const auto write = [&](int64_t which, const at::Tensor& x) {
    memory.select(0, which).view({-1, d}).index_copy_(0, index,
                                                      x.to(memory.scalar_type()).reshape({-1, d}));
  };
  write(0, k);
  write(1, v);
}

at::Tensor cache_attention_naive(const at::Tensor& q, const at::Tensor& row,
                                 const at::Tensor& memory, const at::Tensor& lengths,
                                 double scale) {
  const int64_t n = q.size(0), heads = q.size(1), kv_heads = memory.size(2);
  const auto wide = wide_type(q);
  const auto tokens = [&](int64_t which) {  // [M, G, C, K]
    return memory.select(0, which).index_select(0, row).to(wide);
  };
  const at::Tensor hidden = at::arange(memory.size(3), row.options())
                                .unsqueeze(0)
                                .gt(lengths.index_select(0, row).unsqueeze(1))
                                .view({n, 1, 1, -1});
  const at::Tensor grouped = q.to(wide).reshape({n, kv_heads, heads / kv_heads, q.size(2)});
  const at::Tensor logits = (at::matmul(grouped, tokens(0).transpose(-2, -1)) * scale)
                                .masked_fill(hidden, -std::numeric_limits<double>::infinity());
  const at::Tensor values = tokens(1).masked_fill(hidden.transpose(-2, -1), 0);  // 0 * NaN is NaN
  return at::matmul(logits.softmax(-1), values).reshape(q.sizes()).to(q.scalar_type());
}

void cache_append(const at::Tensor& k_in, const at::Tensor& v_in, const at::Tensor& row,
                  const at::Tensor& memory, const at::Tensor& lengths) {
  cache_attention_kernel::check(k_in, row, memory, lengths);
  if (k_in.size(0) == 0) return;
  if constexpr (kCudaKernels)
    if (memory.is_cuda() && has_fused_form({memory, k_in, v_in})) {
      const at::Tensor k = k_in.contiguous(), v = v_in.contiguous(), at_row = row.contiguous();
      return launch(memory, [&](cuda::Launch at) {
        return cuda::cache_append(at, k.const_data_ptr(), v.const_data_ptr(),
                                  at_row.const_data_ptr<int64_t>(), memory.data_ptr(),
                                  lengths.const_data_ptr<int64_t>(), k.size(0), memory.size(1),
                                  memory.size(2), memory.size(3), memory.size(4));
      });
    }
  cache_append_naive(k_in, v_in, row, memory, lengths);
}

at::Tensor cache_attention(const at::Tensor& q_in, const at::Tensor& row, const at::Tensor& memory,
                           const at::Tensor& lengths, double scale) {
  using namespace cache_attention_kernel;
  check(q_in, row, memory, lengths);
  if (q_in.size(0) == 0) return at::empty_like(q_in);
  if (!has_fused_form({memory, q_in}))
    return cache_attention_naive(q_in, row, memory, lengths, scale);
  const at::Tensor q = q_in.contiguous(), rows = row.contiguous();
  if constexpr (kCudaKernels)
    if (q.is_cuda()) return attend_on_cuda(q, rows, memory, lengths, scale);
  return attend_on_cpu(q, rows, memory, lengths, scale);
}

}  // namespace sublab
