// The score itself is the weight, held to [0, 1]: w = clamp(s, 0, 1). Gradients reach the scorer
// where the score lies inside. SUBLLM's gate.
#include "models/selection/gate.h"

namespace sublab {
namespace score_gate_detail {

class Score : public Gate {
 public:
  at::Tensor weights(const at::Tensor& scores) const override { return scores.clamp(0, 1); }
};

}  // namespace score_gate_detail

GateEntry score_gate() {
  GateEntry entry = gate_entry<score_gate_detail::Score>(
      "score", "the score, held to [0, 1]; trains the scorer", "arXiv:2406.06571");
  entry.one_at_one = true;
  return entry;
}

}  // namespace sublab
