// NTK-by-parts (arXiv:2309.00071, section 3.2): fast frequencies stay, slow ones are interpolated,
//
//   h_i = (1 - gamma_i) theta_i / s + gamma_i theta_i,
//
// gamma 0 up to beta_slow turns within L, 1 from beta_fast turns on. Between them the paper's gamma
// is linear in the turns (`ramp` paper), that of its code and of transformers in the dimension i
// (`ramp` code, the default), which gives up to 3.04 times the paper's frequency (D = 128, L =
// 4096, s = 16). It is YaRN without its temperature.
#include "baselines/rope/settings.h"

namespace sublab {
namespace ntk_by_parts_rope_scaling {

class NtkByParts : public FrequencyRope {
 public:
  NtkByParts(const rope_settings::Ramp& config, const RopeContext& context)
      : config_(config), context_(context) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    return config_.frequencies(context_, like);
  }

 private:
  rope_settings::Ramp config_;
  RopeContext context_;
};

}  // namespace ntk_by_parts_rope_scaling

RopeEntry ntk_by_parts_rope() {
  using ntk_by_parts_rope_scaling::NtkByParts;
  auto entry = entry_of<RopeEntry, rope_settings::Ramp, NtkByParts>(
      "ntk_by_parts", "fast frequencies stay, slow ones / s", "arXiv:2309.00071, 3.2");
  const json small = {{"factor", 4}, {"original_context_len", 64}};
  entry.examples = {{"", small}, {"paper", small}};
  entry.examples.back().config["ramp"] = "paper";
  return entry;
}

}  // namespace sublab
