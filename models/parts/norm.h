// Root-mean-square normalisation with its gain, alone and behind a residual addition.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/kernels/rms_norm.h"
#include "models/language_model.h"

namespace sublab {

/// In a checkpoint its gain is `name`.weight; it begins at 1.
class Norm {
 public:
  Norm(std::string name, int64_t d_model, double epsilon, const Initial& initial)
      : name_(std::move(name)),
        epsilon_(epsilon),
        gain_(constant_parameter({d_model}, 1, initial)) {}

  at::Tensor operator()(const at::Tensor& x) const { return rms_norm(x, gain_, epsilon_); }
  /// x + residual, and the norm of that.
  std::pair<at::Tensor, at::Tensor> of_sum(const at::Tensor& x, const at::Tensor& residual) const {
    return add_rms_norm(x, residual, gain_, epsilon_);
  }
  void add_parameters(std::vector<Parameter>& out) const {
    out.push_back({name_ + ".weight", gain_, 1.0, false});
  }
  /// Numbers that a norm of width d keeps per token: input, scale and output. The plain form
  /// (CostShape::plain) keeps the input in float32, and what it was before the gain.
  static double kept_numbers(double d, double bytes_per_number, bool plain) {
    return plain ? d * 4 / bytes_per_number + 2 * d + 1 : 2 * d + 1;
  }

 private:
  std::string name_;
  double epsilon_;
  at::Tensor gain_;  // [D]
};

}  // namespace sublab
