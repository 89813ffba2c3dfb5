// A control without parameters: the root mean square of the residual stream at the token. It has no
// natural zero; its threshold is the (1 - d) quantile on training text.
#include "models/selection/scorer.h"

namespace sublab {
namespace norm {

class Norm : public Scorer {
 public:
  at::Tensor scores(const ScorerInput& input) const override {
    return input.x.detach().square().mean(1).sqrt();
  }
  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    ledger.add({"scorer", -1, shape.level, shape.n_tokens(), 0, 0, 0});
  }
};

}  // namespace norm

ScorerEntry norm_scorer() {
  ScorerEntry entry = scorer_entry<norm::Norm>(
      "norm", "root mean square of the residual stream (control)", "control");
  entry.natural_zero = false;
  return entry;
}

}  // namespace sublab
