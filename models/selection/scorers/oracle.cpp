// An upper bound: keeps what the task says will matter. The score is the token's hint, above 0
// where it matters.
#include "core/error.h"
#include "models/selection/scorer.h"

namespace sublab {
namespace oracle {

class Oracle : public Scorer {
 public:
  at::Tensor scores(const ScorerInput& input) const override {
    if (!input.hints.defined())
      throw UserError(
          "/model/scorer",
          "'oracle' reads which tokens matter, which only the rows of a task that gives "
          "hints say (see `sublab list task`)");
    return input.hints.to(at::kDouble);
  }
};

}  // namespace oracle

ScorerEntry oracle_scorer() {
  ScorerEntry entry = scorer_entry<oracle::Oracle>(
      "oracle", "keeps what the task says matters; as causal as its hints", "upper bound");
  entry.needs.hints = true;
  return entry;
}

}  // namespace sublab
