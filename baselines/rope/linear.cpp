// Position interpolation (PI, arXiv:2306.15595): positions m become m / s,
//
//   h_i = theta_i / s,   theta_i = b^(-2i / D).
//
// What transformers calls `linear`.
#include "baselines/rope/settings.h"

namespace sublab {
namespace linear_rope_scaling {

class Linear : public FrequencyRope {
 public:
  Linear(const rope_settings::Factor& config, const RopeContext& context)
      : config_(config), context_(context) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    return rope_frequencies(context_.head_dim, context_.theta, like) / config_.s();
  }

 private:
  rope_settings::Factor config_;
  RopeContext context_;
};

}  // namespace linear_rope_scaling

RopeEntry linear_rope() {
  auto entry = entry_of<RopeEntry, rope_settings::Factor, linear_rope_scaling::Linear>(
      "linear", "position interpolation: every frequency / s", "arXiv:2306.15595");
  entry.examples = {{"", {{"factor", 4}}}};
  return entry;
}

}  // namespace sublab
