// Attention on one rank: one call for all rows where they are equally long (and, on CUDA, where
// they are not), decode kernels for steps of few tokens, blocks joined by their log-sums for
// chunked prefill.
#include "models/parts/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>

#include <algorithm>
#include <cmath>

#include "models/parts/partial_attention.h"
#include "models/transfer.h"

namespace sublab {
namespace local_attention_detail {

/// What CUDA's kernels take. Their rows are multiples of 16 bytes: zeros beside narrower heads
/// change no logit, whose scale stays that of `width`. The flash kernel (fp16, bf16, up to 256
/// wide) knows groups; the memory-efficient one, which fp32 and wider heads take, is given a key
/// head per query head: with groups of its own fp32 would fall to plain operators, and their [T, T]
/// logits.
struct CudaHeads {
  CudaHeads(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in)
      : width(q_in.size(-1)), q(widened(q_in)) {
    flash = q.scalar_type() != at::kFloat && q.size(-1) <= 256;
    const auto of_keys = [&](const at::Tensor& x) {
      const int64_t group = q.size(-2) / x.size(-2);
      return widened(flash || group == 1 ? x : x.repeat_interleave(group, -2));
    };
    k = of_keys(k_in);
    v = of_keys(v_in);
  }

  static at::Tensor widened(const at::Tensor& x) {
    const int64_t width = x.size(-1), missing = (width + 7) / 8 * 8 - width;
    return missing == 0 ? x : at::constant_pad_nd(x, {0, missing}, 0);
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(width)); }
  at::Tensor own(const at::Tensor& out) const { return out.slice(-1, 0, width); }

  int64_t width;
  at::Tensor q, k, v;
  bool flash;
};

/// fp64 on CUDA has plain operators alone.
bool has_cuda_kernels(const at::Tensor& q) { return q.is_cuda() && q.scalar_type() != at::kDouble; }

/// [B, T, H, K] -> heads first, as scaled_dot_product_attention wants it, and back.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                  std::optional<double> scale = std::nullopt) {
  const bool grouped = q.size(-2) != k.size(-2);
  return at::scaled_dot_product_attention(q.transpose(-3, -2), k.transpose(-3, -2),
                                          v.transpose(-3, -2), std::nullopt, 0.0, causal, scale,
                                          grouped)
      .transpose(-3, -2);
}

at::Tensor attend_equal(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        bool causal) {
  if (!has_cuda_kernels(q)) return attend(q, k, v, causal);
  const CudaHeads heads(q, k, v);
  return heads.own(attend(heads.q, heads.k, heads.v, causal, heads.scale()));
}

/// Rows of any lengths [N, H, K] in one call on CUDA: no padding, and no loop over rows.
at::Tensor attend_ragged(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const Rows& rows) {
  const CudaHeads heads(q, k, v);
  const at::Tensor ends = rows.offsets(q.device());
  int64_t longest = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) longest = std::max(longest, rows.length(b));
  if (heads.flash)
    return heads.own(std::get<0>(at::_flash_attention_forward(
        heads.q, heads.k, heads.v, ends, ends, longest, longest, 0.0, /*is_causal=*/true,
        /*return_debug_mask=*/false, heads.scale())));
  constexpr int64_t kCausal = 1;  // aligned at the first token
  const bool trains =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  const at::Tensor out = std::get<0>(at::_efficient_attention_forward(
      heads.q.unsqueeze(0), heads.k.unsqueeze(0), heads.v.unsqueeze(0), std::nullopt, ends, ends,
      longest, longest, 0.0, kCausal, /*compute_log_sumexp=*/trains, heads.scale()));
  return heads.own(out.squeeze(0));
}

class LocalAttention : public AttentionExecutor {
 public:
  at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const Rows& rows, const Run&) const override {
    if (rows.n_tokens() == 0) return at::empty_like(q);
    if (rows.ascending()) return ascending_rows(q, k, v, rows);
    // A row attends as its tokens lie in order, whatever their gaps.
    const at::Tensor order = sent_to(q.device(), rows.ascending_order());
    const auto ordered = [&](const at::Tensor& x) { return x.index_select(0, order); };
    return ascending_rows(ordered(q), ordered(k), ordered(v), rows)
        .index_select(0, inverse_permutation(order));
  }

  at::Tensor step(const at::Tensor& q, const std::vector<VisibleTokens>& visible, const Rows& rows,
                  const Run&) const override {
    // Few new tokens in every row, the usual decode step, are one call over all rows.
    std::vector<VisibleTokens> each;
    bool few = has_decode_attention(q);
    for (int64_t b = 0; few && b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b);
      few = n <= kFewTokens;
      if (n == 0 || !few) continue;
      const auto& [k, v] = visible[b];
      const int64_t past = k.size(0) - n;
      for (int64_t i = 1; i < n; ++i)
        each.push_back({k.slice(0, 0, past + i), v.slice(0, 0, past + i)});
      each.push_back({k, v});
    }
    if (few) return decode_attention(q, each, 1 / std::sqrt(static_cast<double>(q.size(2))));
    std::vector<at::Tensor> out;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), begin = rows.begin(b);
      if (n > 0)
        out.push_back(row_step(q.slice(0, begin, begin + n), visible[b].keys, visible[b].values));
    }
    return out.empty() ? at::empty_like(q) : at::cat(out);
  }

 private:
  static constexpr int64_t kFewTokens = 4;

  static at::Tensor ascending_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const Rows& rows) {
    if (rows.equal_length() > 0) {
      const auto batched = [&](const at::Tensor& x) {
        return x.reshape({rows.n_rows(), rows.equal_length(), x.size(1), x.size(2)});
      };
      return attend_equal(batched(q), batched(k), batched(v), true).reshape(q.sizes());
    }
    if (has_cuda_kernels(q)) return attend_ragged(q, k, v, rows);
    std::vector<at::Tensor> out;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t begin = rows.begin(b), end = begin + rows.length(b);
      if (begin == end) continue;
      const auto row = [&](const at::Tensor& x) { return x.slice(0, begin, end).unsqueeze(0); };
      out.push_back(attend_equal(row(q), row(k), row(v), true).squeeze(0));
    }
    return at::cat(out);
  }

  /// One row's new queries [n, H, K] over all its keys, whose last n are their own.
  static at::Tensor row_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const int64_t n = q.size(0), past = k.size(0) - n;
    if (past > 0 && n > 1) {
      const auto keys = [&](int64_t begin, int64_t end, Visible visible) {
        return attend_block(q, k.slice(0, begin, end), v.slice(0, begin, end), visible);
      };
      return merge({keys(0, past, Visible::all), keys(past, past + n, Visible::causal)})
          .out.to(q.scalar_type());
    }
    // The causal flag aligns queries and keys at their first token; a single query sees everything.
    return attend_equal(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), past == 0 && n > 1)
        .squeeze(0);
  }
};

}  // namespace local_attention_detail

const std::shared_ptr<const AttentionExecutor>& local_attention() {
  static const std::shared_ptr<const AttentionExecutor> attention =
      std::make_shared<local_attention_detail::LocalAttention>();
  return attention;
}

}  // namespace sublab
