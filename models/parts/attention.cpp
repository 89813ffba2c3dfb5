#include "models/parts/attention.h"

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
    at::Tensor out = at::empty_like(q);
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), begin = rows.begin(b), past = cache.n_tokens(b) - n;
      if (n == 0) continue;
      const auto [k, v] = cache.row(b);
      // The causal flag aligns queries and keys at their first token, so it is right without a past
      // only; a single query sees everything; the rest needs a mask.
      std::optional<at::Tensor> mask;
      if (past > 0 && n > 1)
        mask = at::ones({n, past + n}, q.options().dtype(at::kBool)).tril(past);
      out.slice(0, begin, begin + n)
          .copy_(attend(q.slice(0, begin, begin + n).unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0),
                        mask, past == 0 && n > 1)
                     .squeeze(0));
    }
    return out;
  }
};

}  // namespace

const AttentionExecutor& local_attention() {
  static const LocalAttention attention;
  return attention;
}

}  // namespace sublab
