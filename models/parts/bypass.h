// The scale of a bypass, x + scale (y - x) per channel, and what holds it while it trains. Source:
// BypassModule of Zipformer (arXiv:2310.11230) and of the released code of SUBLLM.
#pragma once

#include <ATen/ATen.h>

#include "core/fields.h"
#include "models/run.h"

namespace sublab {

/// Settings of an architecture with bypasses.
struct BypassConfig {
  double bypass_init = 0.5;
  double bypass_low_start = 0.9;
  double bypass_low_end = 0.2;
  double bypass_ramp = 0.5;
  double bypass_probability = 0.6;

  template <class F>
  void fields(F& f) {
    f("bypass_init", bypass_init, "initial bypass scale", within(0, 1));
    f("bypass_low_start", bypass_low_start, "lower limit of the bypass scale at the start",
      within(0, 1));
    f("bypass_low_end", bypass_low_end, "and after the ramp", within(0, 1));
    f("bypass_ramp", bypass_ramp, "over this share of the run", within(0, 1));
    f("bypass_probability", bypass_probability,
      "probability that the limits act on a step; 0 = off", within(0, 1));
  }
};

/// The published ramp of the lower limit, in optimizer steps.
inline constexpr double kPaperBypassSteps = 20000;

/// `scale` [D] as this run sees it: in training with its limits [low, 1] on the gradient, by a coin
/// of `place` with probability `probability`.
at::Tensor limited_bypass(const at::Tensor& scale, double low, double probability, int64_t place,
                          const Run& run);

/// Holds a parameter inside [low, high] by turning gradients that would drive it further out.
/// Forward it is the identity.
at::Tensor limit_parameter(const at::Tensor& parameter, double low, double high);

}  // namespace sublab
