// The maps of a feed-forward part and what they cost.
#include "models/parts/swiglu_layer.h"

#include "models/kernels/swiglu.h"

namespace sublab {

SwigluLayer::SwigluLayer(const std::string& name, const BlockConfig& config, const Initial& initial)
    : gate_(name + ".gate_proj", config.d_model, config.d_ff, initial,
            {.bias = config.mlp_bias, .std_dev = config.init_std}),
      up_(name + ".up_proj", config.d_model, config.d_ff, initial,
          {.bias = config.mlp_bias, .std_dev = config.init_std}),
      down_(
          name + ".down_proj", config.d_ff, config.d_model, initial,
          {.bias = config.mlp_bias, .std_dev = config.init_std, .scale = config.residual_scale()}) {
}

at::Tensor SwigluLayer::operator()(const at::Tensor& x) const {
  const std::vector<at::Tensor> made = maps_of(x, {&gate_, &up_});
  return down_(swiglu(made[0], made[1]));
}

void SwigluLayer::add_parameters(std::vector<Parameter>& out) const {
  for (const Linear* map : {&gate_, &up_, &down_}) map->add_parameters(out);
}

void SwigluLayer::add_cost(const PassShape& shape, double norm_numbers, Ledger& ledger) const {
  const double n = shape.n_tokens(), bytes = shape.bytes_per_number;
  const auto d = static_cast<double>(gate_.inputs()), f = static_cast<double>(gate_.outputs());
  LedgerLine line = linear_cost("swiglu", shape.layer, shape.level, n, d, 3 * f, bytes);
  line.bytes *= shape.reached;
  // Gate, up and their product; the plain form keeps SiLU of the gate too.
  line.activation_bytes = n * (norm_numbers + (shape.plain ? 4 : 3) * f) * bytes;
  ledger.add(line);
}

}  // namespace sublab
