// YaRN (arXiv:2309.00071): NTK-by-parts, and cos and sin times
//
//   a = 0.1 ln s + 1,
//
// so that logits of attention grow by a^2 (the paper's temperature, t = a^-2). `ramp` is that of
// ntk_by_parts: `code`, the default, is what released weights and transformers have, not what the
// paper's equation says. As in transformers `attention_factor` stands in the place of a, or
// mscale and mscale_all_dim together make it (0.1 m ln s + 1) / (0.1 m_all ln s + 1).
#include "baselines/rope/settings.h"

namespace sublab {
namespace yarn_rope_scaling {

struct Config : rope_settings::Ramp {
  std::optional<double> attention_factor, mscale, mscale_all_dim;

  template <class F>
  void fields(F& f) {
    Ramp::fields(f);
    f("attention_factor", attention_factor, "a; null = computed from s", above(0, 1e3));
    f("mscale", mscale, "m of the computed a; with mscale_all_dim or not at all", above(0, 1e3));
    f("mscale_all_dim", mscale_all_dim, "m of its divisor", above(0, 1e3));
  }
  void validate(const std::string& path) const {
    Ramp::validate(path);
    if (mscale.has_value() != mscale_all_dim.has_value())
      throw UserError(path + (mscale ? "/mscale" : "/mscale_all_dim"),
                      "has no effect without the other one of mscale and mscale_all_dim");
    if (mscale && attention_factor)
      throw UserError(path + "/mscale", "has no effect where attention_factor is given");
  }
  double a() const {
    if (attention_factor) return *attention_factor;
    return mscale ? yarn_mscale(s(), *mscale) / yarn_mscale(s(), *mscale_all_dim)
                  : yarn_mscale(s());
  }
};

class Yarn : public FrequencyRope {
 public:
  Yarn(const Config& config, const RopeContext& context)
      : FrequencyRope(config.a()), config_(config), context_(context) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    return config_.frequencies(context_, like);
  }

 private:
  Config config_;
  RopeContext context_;
};

}  // namespace yarn_rope_scaling

RopeEntry yarn_rope() {
  auto entry = entry_of<RopeEntry, yarn_rope_scaling::Config, yarn_rope_scaling::Yarn>(
      "yarn", "NTK-by-parts, and a temperature in cos and sin", "arXiv:2309.00071");
  const json small = {{"factor", 4}, {"original_context_len", 64}};
  entry.examples = {{"", small}, {"paper", small}};
  entry.examples.back().config["ramp"] = "paper";
  return entry;
}

}  // namespace sublab
