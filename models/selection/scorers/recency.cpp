// A control: keeps the last tokens of a row. A score is minus the number of tokens that follow, so
// that a row's end has to be known: not causal.
#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace recency {

class Recency : public Scorer {
 public:
  at::Tensor scores(const ScorerInput& input) const override {
    at::Tensor out = at::empty({input.rows.n_tokens()}, at::kDouble);
    auto* value = out.data_ptr<double>();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b)
      for (int64_t i = input.rows.length(b) - 1; i >= 0; --i) *value++ = static_cast<double>(-i);
    return sent_to(input.x.device(), out);
  }
};

}  // namespace recency

ScorerEntry recency_scorer() {
  ScorerEntry entry = scorer_entry<recency::Recency>(
      "recency", "keeps the last tokens of a row (control)", "control");
  entry.causal = false;
  entry.natural_zero = false;
  entry.numerics_version = 2;
  return entry;
}

}  // namespace sublab
