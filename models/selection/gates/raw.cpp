// The score itself is the weight, w = s, of any sign and size. Gradients reach the scorer
// everywhere. The gate of Mixture-of-Depths.
#include "models/selection/gate.h"

namespace sublab {
namespace raw_gate_detail {

class Raw : public Gate {
 public:
  at::Tensor weights(const at::Tensor& scores) const override { return scores; }
};

}  // namespace raw_gate_detail

GateEntry raw_gate() {
  GateEntry entry = gate_entry<raw_gate_detail::Raw>("raw", "the score as it is; trains the scorer",
                                                     "arXiv:2404.02258");
  entry.one_at_one = true;
  return entry;
}

}  // namespace sublab
