// How much attention a token receives: the mean, over the heads of the block right before the
// module and over the queries u >= t of the row, of softmax_u(q_u . k / sqrt(K))[t]. Not causal:
// later queries decide. A row is scored whole.
#include <algorithm>
#include <cmath>

#include "models/parts/kv_policy.h"
#include "models/selection/scorer.h"
#include "models/token_pairs.h"

namespace sublab {
namespace attention_scorer_detail {

/// Queries per chunk: their logits stay below 16 MB of fp32.
int64_t chunk_queries(int64_t n_heads, int64_t n_keys) {
  return std::clamp<int64_t>((int64_t{1} << 22) / std::max<int64_t>(n_heads * n_keys, 1), 1,
                             n_keys);
}

/// One row: q [T, H, K], k [T, G, K] -> [T].
at::Tensor received(const at::Tensor& q_THK, const at::Tensor& k_TGK) {
  const int64_t n = q_THK.size(0), n_heads = q_THK.size(1);
  const at::Tensor q = q_THK.transpose(0, 1) / std::sqrt(static_cast<double>(q_THK.size(2)));
  const at::Tensor k = k_TGK.repeat_interleave(n_heads / k_TGK.size(1), 1).permute({1, 2, 0});
  at::Tensor sum = at::zeros({n}, q.options());
  const int64_t chunk = chunk_queries(n_heads, n);
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t end = std::min(begin + chunk, n);
    const at::Tensor hidden =
        at::ones({end - begin, end}, q.options().dtype(at::kBool)).triu(begin + 1);
    const at::Tensor logits = at::bmm(q.slice(1, begin, end), k.slice(2, 0, end));
    const at::Tensor p = logits.masked_fill_(hidden, -INFINITY).softmax(2);  // [H, C, end]
    sum.slice(0, 0, end).add_(p.sum(at::IntArrayRef{0, 1}));
  }
  const at::Tensor n_queries = at::arange(n, 0, -1, q.options());
  return sum / (n_queries * static_cast<double>(n_heads));
}

class Attention : public Scorer {
 public:
  explicit Attention(const ScorerContext& context)
      : q_width_(static_cast<double>(context.query_width)) {}

  at::Tensor scores(const ScorerInput& input) const override {
    at::NoGradGuard no_grad;
    if (input.rows.n_tokens() == 0) return at::empty({0}, input.x.options());
    TORCH_CHECK(input.probe, "the attention scorer needs a block before its module");
    std::vector<at::Tensor> out;
    for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
      const int64_t begin = input.rows.begin(b), end = begin + input.rows.length(b);
      if (begin < end)
        out.push_back(received(input.probe->q_NHK.slice(0, begin, end),
                               input.probe->k_NGK.slice(0, begin, end)));
    }
    return at::cat(out);
  }

  /// The products of queries and keys once more.
  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    LedgerLine line;
    line.part = "scorer";
    line.level = shape.level;
    line.tokens = shape.n_tokens();
    for (const double t : shape.tokens) {
      const TokenPairs pairs = pairs_among(t);
      line.flops_causal += 2 * q_width_ * pairs.causal;
      line.flops_square += 2 * q_width_ * pairs.square;
    }
    ledger.add(line);
  }

 private:
  double q_width_;
};

}  // namespace attention_scorer_detail

ScorerEntry attention_scorer() {
  ScorerEntry entry = scorer_entry<attention_scorer_detail::Attention>(
      "attention", "attention received in the block before, from later tokens too",
      "arXiv:2306.14048");
  entry.causal = false;
  entry.natural_zero = false;
  entry.needs.attention = true;
  entry.numerics_version = 2;
  return entry;
}

}  // namespace sublab
