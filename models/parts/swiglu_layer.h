// The feed-forward part (arXiv:2002.05202): W_down (silu(W_gate x) * W_up x).
#pragma once

#include <string>
#include <vector>

#include "models/parts/block_config.h"
#include "models/parts/linear.h"
#include "models/parts/pass_shape.h"

namespace sublab {

class SwigluLayer {
 public:
  /// Tensors `name`.gate_proj.weight, up_proj and down_proj.
  SwigluLayer(const std::string& name, const BlockConfig& config, const Initial& initial);

  /// x [N, D] -> [N, D].
  at::Tensor operator()(const at::Tensor& x) const;
  void add_parameters(std::vector<Parameter>& out) const;
  /// Line swiglu; norm_numbers as in AttentionLayer::add_cost.
  void add_cost(const PassShape& shape, double norm_numbers, Ledger& ledger) const;

 private:
  Linear gate_, up_, down_;
};

}  // namespace sublab
