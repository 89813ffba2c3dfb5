// Timestep normalisation: by mean and variance of all tokens so far (arXiv:2404.08801).
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "models/language_model.h"

namespace sublab {

/// Where rows stand: mean and variance of each group of features over the tokens so far, [R, G].
struct TimestepMoments {
  at::Tensor mean, variance;
};

/// For a group of W features, over the first t tokens of a row (numbered from 1):
///   m_t = 1/(tW) sum x,   v_t = 1/(tW) sum (x - m_t)^2,   y = (x - m_t) / sqrt(v_t + eps) (1 + w)
///   + b
/// In a checkpoint w is `name`.weight and b `name`.bias, both [D]; both begin at 0.
class TimestepNorm {
 public:
  TimestepNorm(std::string name, int64_t d_model, int64_t n_groups, double epsilon,
               const Initial& initial);

  /// x [R, T, D] -> [R, T, D]. Rows that have seen `counts` [R] tokens stand at `moments`, which go
  /// on; null: rows begin here. Moments are fp32 at least.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& counts,
                        TimestepMoments* moments) const;
  /// The same token by token, merging moments as Welford does.
  at::Tensor naive(const at::Tensor& x, const at::Tensor& counts, TimestepMoments* moments) const;
  TimestepMoments no_moments(int64_t n_rows, const at::TensorOptions& like) const;
  void add_parameters(std::vector<Parameter>& out) const;

 private:
  at::Tensor scaled(const at::Tensor& y) const { return y * (weight_ + 1) + bias_; }

  std::string name_;
  int64_t n_groups_;
  double epsilon_;
  at::Tensor weight_, bias_;  // [D]
};

}  // namespace sublab
