// Attention on one rank: one call for all rows where they are equally long, decode kernels for
// steps of few tokens, blocks joined by their log-sums for chunked prefill.
#include "models/parts/attention.h"

#include <cmath>

#include "models/parts/partial_attention.h"

namespace sublab {
namespace local_attention_detail {

/// [B, T, H, K] -> heads first, as scaled_dot_product_attention wants it, and back.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  const bool grouped = q.size(-2) != k.size(-2);
  return at::scaled_dot_product_attention(q.transpose(-3, -2), k.transpose(-3, -2),
                                          v.transpose(-3, -2), std::nullopt, 0.0, causal,
                                          std::nullopt, grouped)
      .transpose(-3, -2);
}

class LocalAttention : public AttentionExecutor {
 public:
  at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const Rows& rows, const Run&) const override {
    if (rows.n_tokens() == 0) return at::empty_like(q);
    if (rows.ascending()) return ascending_rows(q, k, v, rows);
    // A row attends as its tokens lie in order, whatever their gaps.
    const at::Tensor order = rows.ascending_order().to(q.device());
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
      return attend(batched(q), batched(k), batched(v), true).reshape(q.sizes());
    }
    std::vector<at::Tensor> out;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t begin = rows.begin(b), end = begin + rows.length(b);
      if (begin == end) continue;
      const auto row = [&](const at::Tensor& x) { return x.slice(0, begin, end).unsqueeze(0); };
      out.push_back(attend(row(q), row(k), row(v), true).squeeze(0));
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
    return attend(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), past == 0 && n > 1).squeeze(0);
  }
};

}  // namespace local_attention_detail

const std::shared_ptr<const AttentionExecutor>& local_attention() {
  static const std::shared_ptr<const AttentionExecutor> attention =
      std::make_shared<local_attention_detail::LocalAttention>();
  return attention;
}

}  // namespace sublab
