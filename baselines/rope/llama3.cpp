// The scaling of Llama 3.1 (arXiv:2407.21783; the form is transformers' `llama3`): by parts, too,
//
//   h_i = (1 - gamma_i) theta_i / s + gamma_i theta_i,
//
// gamma linear in the turns L theta_i / 2 pi, 0 up to low_freq_factor, 1 from high_freq_factor on.
// It is ntk_by_parts with ramp paper under other names and defaults.
#include "baselines/rope/settings.h"

namespace sublab {
namespace llama3_rope_scaling {

struct Config : rope_settings::Window {
  double low_freq_factor = 1;
  double high_freq_factor = 4;

  template <class F>
  void fields(F& f) {
    Window::fields(f);
    f("low_freq_factor", low_freq_factor, "turns within L up to which a frequency is divided by s",
      above(0, 1e6));
    f("high_freq_factor", high_freq_factor, "turns within L from which on a frequency is kept",
      above(0, 1e6));
  }
  void validate(const std::string& path) const {
    Window::validate(path);
    if (high_freq_factor <= low_freq_factor)
      throw UserError(path + "/high_freq_factor", json(high_freq_factor).dump() +
                                                      " must be above low_freq_factor, " +
                                                      json(low_freq_factor).dump());
  }
};

class Llama3 : public FrequencyRope {
 public:
  Llama3(const Config& config, const RopeContext& context) : config_(config), context_(context) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    const at::Tensor theta = rope_frequencies(context_.head_dim, context_.theta, like);
    return scaled_in_parts(
        theta, config_.s(),
        kept_by_turns(theta, config_.len(), config_.low_freq_factor, config_.high_freq_factor));
  }

 private:
  Config config_;
  RopeContext context_;
};

}  // namespace llama3_rope_scaling

RopeEntry llama3_rope() {
  auto entry = entry_of<RopeEntry, llama3_rope_scaling::Config, llama3_rope_scaling::Llama3>(
      "llama3", "as Llama 3.1: fast frequencies stay, slow ones / s", "arXiv:2407.21783");
  entry.examples = {{"", {{"factor", 4}, {"original_context_len", 64}}}};
  return entry;
}

}  // namespace sublab
