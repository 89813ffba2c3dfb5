// How unsure the stream at this depth was of what comes: the entropy of p_t of the logit lens
// (models/selection/logit_lens.h), whatever the token turned out to be. A first token's is log V.
// Its threshold is the (1 - d) quantile on training text.
#include "models/parts/lm_head.h"
#include "models/selection/logit_lens.h"

namespace sublab {
namespace entropy {

class Entropy : public LogitLensScorer {
 public:
  using LogitLensScorer::LogitLensScorer;

 protected:
  at::Tensor of_predictions(const at::Tensor& hidden, const at::Tensor& head,
                            const at::Tensor&) const override {
    return token_entropies(hidden, head);
  }
};

}  // namespace entropy

ScorerEntry entropy_scorer() {
  ScorerEntry entry = scorer_entry<entropy::Entropy>(
      "entropy", "entropy of what a logit lens on the token before predicts", "logit lens");
  entry.natural_zero = false;
  entry.needs.head = true;
  return entry;
}

}  // namespace sublab
