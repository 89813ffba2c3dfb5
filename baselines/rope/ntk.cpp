// NTK-aware scaling (arXiv:2309.00071, section 3.1): a raised base,
//
//   h_i = b'^(-2i / D),   b' = b s^(D / (D - 2)),
//
// so that the first frequency stays and the last one is theta / s. A checkpoint of it is an
// ordinary one with rope_theta b'.
#include "baselines/rope/settings.h"

namespace sublab {
namespace ntk_rope_scaling {

class Ntk : public FrequencyRope {
 public:
  Ntk(const rope_settings::Factor& config, const RopeContext& context)
      : head_dim_(context.head_dim), base_(ntk_base(context.head_dim, context.theta, config.s())) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    return rope_frequencies(head_dim_, base_, like);
  }

 private:
  int64_t head_dim_;
  double base_;
};

}  // namespace ntk_rope_scaling

RopeEntry ntk_rope() {
  auto entry = entry_of<RopeEntry, rope_settings::Factor, ntk_rope_scaling::Ntk>(
      "ntk", "NTK-aware: a raised base, the last frequency / s", "arXiv:2309.00071, eq. 16");
  entry.examples = {{"", {{"factor", 4}}}};
  return entry;
}

}  // namespace sublab
