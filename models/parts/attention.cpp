#include "models/parts/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>

#include <cmath>

#include "models/kernels/decode_attention.h"

namespace sublab {
namespace {

/// [T, H, K] or [B, T, H, K] -> heads first, as scaled_dot_product_attention wants it.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const std::optional<at::Tensor>& mask, bool causal) {
  const bool grouped = q.size(-2) != k.size(-2);
  return at::scaled_dot_product_attention(q.transpose(-3, -2), k.transpose(-3, -2),
                                          v.transpose(-3, -2), mask, 0.0, causal, std::nullopt,
                                          grouped)
      .transpose(-3, -2);
}

/// Attention over some of the keys, and what joining it with the rest needs.
struct Partial {
  at::Tensor out;             // [n, H, K]
  at::Tensor log_sum_of_exp;  // [n, H], of the logits
};

/// q [n, H, K] over k, v [t, H, K]; causal: query i sees keys <= i.
Partial flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  const auto [out, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
      heads_first(q), heads_first(k), heads_first(v), 0.0, causal);
  return {out.squeeze(0).transpose(0, 1), sums.squeeze(0).transpose(0, 1)};
}

/// Chunked prefill: n new queries over what the cache held before (all of it) and their own tokens
/// (causally), joined by their log-sums; the [n, past + n] mask that one call would need is never
/// made. A group's query heads are further queries of the same key head.
at::Tensor attend_past_and_own(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               int64_t past) {
  const int64_t n = q.size(0), heads = q.size(1), kv_heads = k.size(1);
  const int64_t group = heads / kv_heads;
  const auto by_kv_head = [&](const at::Tensor& x) {  // [n, H, ...] -> [n * H/G, G, ...]
    auto sizes = x.sizes().vec();
    sizes[1] = kv_heads;
    sizes.insert(sizes.begin() + 2, group);
    return x.reshape(sizes).transpose(1, 2).flatten(0, 1);
  };
  const auto by_head = [&](const at::Tensor& x) {  // and back
    auto sizes = x.sizes().vec();
    sizes[0] = n;
    sizes.insert(sizes.begin() + 1, group);
    return x.reshape(sizes).transpose(1, 2).flatten(1, 2);
  };
  const Partial then = flash(by_kv_head(q), k.slice(0, 0, past), v.slice(0, 0, past), false);
  const auto repeated = [&](const at::Tensor& x) {
    const at::Tensor own = x.slice(0, past, past + n);
    return group == 1 ? own : own.repeat_interleave(group, 1);
  };
  const Partial own = flash(q, repeated(k), repeated(v), true);
  const at::Tensor before = by_head(then.log_sum_of_exp);
  const at::Tensor all = at::logaddexp(before, own.log_sum_of_exp);
  const auto share = [&](const at::Tensor& part) {
    return (part - all).exp().to(q.scalar_type()).unsqueeze(-1);
  };
  return by_head(then.out) * share(before) + own.out * share(own.log_sum_of_exp);
}

class LocalAttention : public AttentionExecutor {
 public:
  at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const Rows& rows) const override {
    if (rows.n_tokens() == 0) return at::empty_like(q);
    if (rows.equal_length() > 0) {
      const auto batched = [&](const at::Tensor& x) {
        return x.reshape({rows.n_rows(), rows.equal_length(), x.size(1), x.size(2)});
      };
      return attend(batched(q), batched(k), batched(v), {}, true).reshape(q.sizes());
    }
    std::vector<at::Tensor> out;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t begin = rows.begin(b), end = begin + rows.length(b);
      if (begin == end) continue;
      out.push_back(attend(q.slice(0, begin, end).unsqueeze(0), k.slice(0, begin, end).unsqueeze(0),
                           v.slice(0, begin, end).unsqueeze(0), {}, true)
                        .squeeze(0));
    }
    return at::cat(out);
  }

  at::Tensor step(const at::Tensor& q, const KvCache& cache, const Rows& rows) const override {
    // Few new tokens in every row, the usual decode step, are one call over all rows.
    std::vector<VisibleTokens> visible;
    bool few = has_decode_attention(q);
    for (int64_t b = 0; few && b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b);
      few = n <= kFewTokens;
      if (n == 0 || !few) continue;
      const auto [k, v] = cache.row(b);
      const int64_t past = k.size(0) - n;
      for (int64_t i = 1; i < n; ++i)
        visible.push_back({k.slice(0, 0, past + i), v.slice(0, 0, past + i)});
      visible.push_back({k, v});
    }
    if (few) return decode_attention(q, visible, 1 / std::sqrt(static_cast<double>(q.size(2))));
    at::Tensor out = at::empty_like(q);
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), begin = rows.begin(b);
      if (n == 0) continue;
      const auto [k, v] = cache.row(b);
      out.slice(0, begin, begin + n).copy_(row_step(q.slice(0, begin, begin + n), k, v));
    }
    return out;
  }

 private:
  static constexpr int64_t kFewTokens = 4;

  /// The log-sums have no gradient, and only the CPU's kernel gives them.
  static bool joins(const at::Tensor& q) {
    return q.is_cpu() && !(at::GradMode::is_enabled() && q.requires_grad());
  }

  /// One row's new queries [n, H, K] over all its keys, whose last n are their own.
  static at::Tensor row_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const int64_t n = q.size(0), past = k.size(0) - n;
    // The causal flag aligns queries and keys at their first token, so it is right without a past
    // only; a single query sees everything.
    if (past > 0 && n > 1 && joins(q)) return attend_past_and_own(q, k, v, past);
    std::optional<at::Tensor> mask;
    if (past > 0 && n > 1) mask = at::ones({n, past + n}, q.options().dtype(at::kBool)).tril(past);
    return attend(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), mask, past == 0 && n > 1)
        .squeeze(0);
  }
};

}  // namespace

const AttentionExecutor& local_attention() {
  static const LocalAttention attention;
  return attention;
}

}  // namespace sublab
