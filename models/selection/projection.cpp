// The projection of scorers that look at the residual stream.
#include "models/selection/projection.h"

#include <cmath>

#include "models/kernels/rms_norm.h"

namespace sublab {

void ProjectionConfig::validate(const std::string& path) const {
  if (init_std != 0 && init_scale != ProjectionConfig().init_scale)
    throw UserError(path + "/init_scale", json(init_scale).dump() + " has no effect with init_std");
}

Projection::Projection(const ProjectionConfig& config, const ScorerContext& context)
    : config_(config), name_(context.name + ".weight"), norm_epsilon_(context.norm_epsilon) {
  // init_scale 1 is torch's default for a linear map to one output.
  const double bound = config.init_scale / std::sqrt(static_cast<double>(context.d_model));
  const std::vector<int64_t> shape = {1, context.d_model};
  weight_ = config.init_std == 0 ? uniform_parameter(name_, shape, bound, context.initial)
                                 : normal_parameter(name_, shape, config.init_std, context.initial);
}

at::Tensor Projection::scores(const at::Tensor& x) const {
  const at::Tensor input = config_.input == "normed"
                               ? rms_norm(x, at::ones({x.size(1)}, x.options()), norm_epsilon_)
                               : x;
  return at::linear(input, weight_.to(x.scalar_type())).squeeze(1);
}

void Projection::add_cost(const ScorerShape& shape, Ledger& ledger) const {
  const auto width = static_cast<double>(weight_.size(1));
  LedgerLine line =
      linear_cost("scorer", -1, shape.level, shape.n_tokens(), width, 1, shape.bytes_per_number);
  line.bytes *= shape.reached;
  // The divided stream is kept for the gradient of the weights.
  if (config_.input == "normed" && weight_.requires_grad())
    line.activation_bytes += shape.n_tokens() * width * shape.bytes_per_number;
  ledger.add(line);
}

}  // namespace sublab
