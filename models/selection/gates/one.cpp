// Every kept token weighs 1. Nothing trains the scorer; scorers are compared fairly with it.
#include "models/selection/gate.h"

namespace sublab {
namespace one_gate_detail {

class One : public Gate {
 public:
  at::Tensor weights(const at::Tensor& scores) const override { return at::ones_like(scores); }
};

}  // namespace one_gate_detail

GateEntry one_gate() {
  GateEntry entry = gate_entry<one_gate_detail::One>("one", "every kept token weighs 1", "control");
  entry.reads_scores = false;
  entry.one_at_one = true;
  return entry;
}

}  // namespace sublab
