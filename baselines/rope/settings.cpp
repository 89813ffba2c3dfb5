// What settings that several ropes have mean (baselines/rope/settings.h).
#include "baselines/rope/settings.h"

#include <cmath>

namespace sublab::rope_settings {

void Ramp::validate(const std::string& path) const {
  Window::validate(path);
  const auto refuse = [&](const char* name, double value, const std::string& why) {
    throw UserError(path + "/" + name, json(value).dump() + " " + why);
  };
  if (beta_fast <= beta_slow)
    refuse("beta_fast", beta_fast, "must be above beta_slow, " + json(beta_slow).dump());
  if (len() <= 2 * M_PI * beta_slow)
    refuse("beta_slow", beta_slow,
           "is no place on the ramp: in " + std::to_string(*original_context_len) +
               " tokens the fastest frequency turns " + json(len() / (2 * M_PI)).dump() + " times");
  if (ramp == "paper" && !truncate)
    throw UserError(path + "/truncate", "has no effect with ramp paper, whose ends are turns");
}

at::Tensor Ramp::frequencies(const RopeContext& context, const at::TensorOptions& like) const {
  const at::Tensor theta = rope_frequencies(context.head_dim, context.theta, like);
  return scaled_in_parts(theta, s(),
                         ramp == "paper" ? kept_by_turns(theta, len(), beta_slow, beta_fast)
                                         : kept_by_dimension(context.head_dim, context.theta, len(),
                                                             beta_slow, beta_fast, truncate, like));
}

}  // namespace sublab::rope_settings
