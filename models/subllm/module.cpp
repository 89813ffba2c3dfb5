// What SUBLLM adds to a router: the way back.
#include "models/subllm/module.h"

#include <ATen/core/grad_mode.h>

#include "models/parts/bypass.h"

namespace sublab::subllm {
namespace {

ScorerContext scorer_context(const Config& config, int64_t index, const std::string& name,
                             const TokenEnds& ends, const Initial& initial) {
  ScorerContext context;
  context.name = name;
  context.site = index;
  context.d_model = config.d_model;
  context.vocab_size = ends.head_weight().size(0);
  context.query_width = config.n_heads * config.head_dim;
  context.norm_epsilon = config.norm_epsilon;
  context.retention = config.retention_at(index);
  context.initial = initial;
  context.tensor_options = ends.options();
  return context;
}

}  // namespace

Module::Module(const Config& config, int64_t index, const std::string& name, const TokenEnds& ends,
               const Initial& initial, const Parts& parts)
    : router(config, scorer_context(config, index, name, ends, initial), parts),
      config_(config),
      index_(index),
      name_(name),
      bypass_(constant_parameter({config.d_model}, config.bypass_init, initial)) {}

at::Tensor Module::bypass(const Run& run) const {
  if (run.observer) run.observer->returned(index_, bypass_);
  const bool fractions = config_.schedule == "fractions";
  const double low = ramped(config_.bypass_low_start, config_.bypass_low_end,
                            fractions ? config_.bypass_ramp : kPaperBypassSteps,
                            fractions ? run.progress : double(run.step));
  return limited_bypass(bypass_, low, config_.bypass_probability, index_, run);
}

void Module::make_transparent(const std::string& where) {
  at::NoGradGuard no_grad;
  bypass_.fill_(1);
  router.make_transparent(where);
}

std::vector<Parameter> Module::parameters() const {
  std::vector<Parameter> out = router.parameters();
  out.push_back({name_ + ".bypass_scale", bypass_, 1.0, false});
  return out;
}

}  // namespace sublab::subllm
