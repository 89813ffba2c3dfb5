// How little the stream at this depth expected the token: -log p_t[token_t], with p_t of the logit
// lens (models/selection/logit_lens.h). A first token's is log V, that of a uniform guess. Its
// threshold is the (1 - d) quantile on training text.
#include "models/parts/lm_head.h"
#include "models/selection/logit_lens.h"

namespace sublab {
namespace surprisal {

class Surprisal : public LogitLensScorer {
 public:
  using LogitLensScorer::LogitLensScorer;

 protected:
  at::Tensor of_predictions(const at::Tensor& hidden, const at::Tensor& head,
                            const at::Tensor& tokens) const override {
    return token_losses(hidden, head, tokens);
  }
};

}  // namespace surprisal

ScorerEntry surprisal_scorer() {
  ScorerEntry entry = scorer_entry<surprisal::Surprisal>(
      "surprisal", "-log p of the token by a logit lens on the one before", "logit lens");
  entry.natural_zero = false;
  entry.needs.head = true;
  return entry;
}

}  // namespace sublab
