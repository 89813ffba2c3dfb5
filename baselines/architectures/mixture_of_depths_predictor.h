// A small net beside each router of Mixture-of-Depths that says whom training would choose.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <vector>

#include "baselines/architectures/mixture_of_depths_config.h"
#include "models/parts/linear.h"

namespace sublab::mixture_of_depths {

/// Whether training would choose a token: p = v . silu(U x + b) + c, chosen where p > 0. Its loss
/// reaches nothing but itself.
class Predictor {
 public:
  Predictor(const std::string& name, const Config& config, const Initial& initial)
      : hidden_(name + ".hidden", config.d_model, config.predictor_width, initial, {.bias = true}),
        out_(name + ".out", config.predictor_width, 1, initial, {.bias = true}) {}

  /// x [N, D] -> [N], fp32 at least.
  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor p = out_(at::silu(hidden_(x.detach()))).squeeze(1);
    return p.scalar_type() == at::kDouble ? p : p.to(at::kFloat);
  }
  std::vector<Parameter> parameters() const {
    std::vector<Parameter> out;
    hidden_.add_parameters(out);
    out_.add_parameters(out);
    return out;
  }
  /// p = 1 everywhere.
  void choose_all() {
    at::NoGradGuard no_grad;
    std::vector<Parameter> out;
    out_.add_parameters(out);
    for (Parameter& each : out) each.tensor.fill_(each.name.ends_with(".bias") ? 1 : 0);
  }
  void add_cost(int64_t layer, double n, double bytes, Ledger& ledger) const {
    const auto d = static_cast<double>(hidden_.inputs()),
               h = static_cast<double>(hidden_.outputs());
    LedgerLine line = linear_cost("predictor", layer, 0, n, d + 1, h, bytes);
    line.activation_bytes = 2 * n * h * bytes;  // before and after the SiLU
    ledger.add(line);
  }

 private:
  Linear hidden_, out_;
};

}  // namespace sublab::mixture_of_depths
