// A control: keeps a token with probability d, whatever it is. The draw hashes (seed, site,
// ordinal at the parent level), so that it is causal, the same in every mode and for every row.
#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace random_scorer_detail {

class Random : public Scorer {
 public:
  explicit Random(const ScorerContext& context)
      : key_(stream_key(context.initial.seed, "random_scorer", context.site)),
        retention_(context.retention) {}

  /// d - u with u uniform in [0, 1): above 0 with probability d.
  at::Tensor scores(const ScorerInput& input) const override {
    at::Tensor out = at::empty({input.rows.n_tokens()}, at::kDouble);
    auto* value = out.data_ptr<double>();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b)
      for (int64_t i = 0; i < input.rows.length(b); ++i)
        *value++ = retention_ - unit_interval(mix_bits(key_ ^ input.rows.ordinal(b, i)));
    return sent_to(input.x.device(), out).to(input.x.scalar_type());
  }

 private:
  uint64_t key_;
  double retention_;
};

}  // namespace random_scorer_detail

ScorerEntry random_scorer() {
  return scorer_entry<random_scorer_detail::Random>(
      "random", "keeps each token with probability d (control)", "control");
}

}  // namespace sublab
