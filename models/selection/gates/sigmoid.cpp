// w = 1 / (1 + exp(-s)): between 0 and 1, and a half at the threshold. Gradients reach the scorer
// everywhere.
#include "models/selection/gate.h"

namespace sublab {
namespace sigmoid_gate_detail {

class Sigmoid : public Gate {
 public:
  at::Tensor weights(const at::Tensor& scores) const override { return scores.sigmoid(); }
};

}  // namespace sigmoid_gate_detail

GateEntry sigmoid_gate() {
  return gate_entry<sigmoid_gate_detail::Sigmoid>(
      "sigmoid", "the score's logistic function; trains the scorer", "variant of arXiv:2404.02258");
}

}  // namespace sublab
