// A linear map of the residual stream to one number per token, s_t = w . x_t, and its settings.
#pragma once

#include "models/selection/scorer.h"

namespace sublab {

struct ProjectionConfig {
  std::string input = "normed";
  double init_scale = 0.2;
  double init_std = 0;

  template <class F>
  void fields(F& f) {
    f("input", input, "raw = the residual stream; normed = divided by its root mean square",
      one_of({"raw", "normed"}));
    f("init_scale", init_scale, "weights start uniform in +-init_scale * d_model^-0.5",
      above(0, 100));
    f("init_std", init_std, "or normal with this standard deviation; 0 = uniform", within(0, 100));
  }
  void validate(const std::string& path) const;
};

class Projection {
 public:
  /// Drawn from the stream of the tensor's name, <context.name>.weight.
  Projection(const ProjectionConfig& config, const ScorerContext& context);

  /// x [N, D] -> [N].
  at::Tensor scores(const at::Tensor& x) const;
  void add_cost(const ScorerShape& shape, Ledger& ledger) const;

  const std::string& name() const { return name_; }
  const at::Tensor& weight() const { return weight_; }

 private:
  ProjectionConfig config_;
  std::string name_;
  double norm_epsilon_;
  at::Tensor weight_;  // [1, D]
};

}  // namespace sublab
