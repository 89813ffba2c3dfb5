// AdamW with decoupled decay (arXiv:1711.05101), fused, and the schedule of its learning rate.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/schema/trial_config.h"
#include "models/interchange/tensors.h"
#include "models/language_model.h"

namespace sublab {

/// Linear warm-up over the first `warmup` share of the run, then a cosine from the peak to
/// `final_learning_rate` of it. `progress` in [0, 1] is the share of tokens done before the step.
double learning_rate_at(const TrainConfig& config, double progress);

class AdamW {
 public:
  AdamW(std::vector<Parameter> parameters, const TrainConfig& config);

  /// Where the gradient of each parameter stands, in a fixed order; undefined where nothing reached
  /// the parameter.
  std::vector<at::Tensor*> gradients();
  /// What stands for the gradient of the i-th of them where nothing reached it.
  at::Tensor zero_gradient(size_t i) const;
  /// Between two passes of a step: gradients of a model that computes in bfloat16 go on to be added
  /// up in float32, as they would be for float32 weights.
  void add_up_gradients();
  /// Global norm of the gradients as they are, fp64, on their device.
  at::Tensor gradient_norm();
  /// Scales the gradients down to `clip_norm` where `norm`, theirs, is above.
  void clip_gradients(double norm);
  /// One update at `learning_rate`; clears the gradients.
  void step(double learning_rate);
  /// From now on the model computes in bfloat16; the optimizer updates float32 weights of its own
  /// and rounds them into the model's after every step (arXiv:1710.03740).
  void halve_weights();
  /// The model gets the float32 weights back.
  void restore_weights();

  /// Weights (the float32 ones) and both moments, under names of their own.
  std::vector<StoredTensor> state() const;
  /// Updates that each parameter has seen.
  std::map<std::string, int64_t> updates() const;
  /// Called when the tensors of `state` were filled from a file.
  void loaded(const std::map<std::string, int64_t>& updates);

 private:
  /// Parameters with the same scale and decay are updated by one fused call.
  struct ParameterGroup {
    double learning_rate_scale = 1;
    double weight_decay = 0;
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, first_moments, second_moments, steps;
    std::vector<at::Tensor> masters;  ///< float32 weights behind bfloat16 parameters; or empty
    std::vector<at::Tensor> sums;     ///< float32 gradients of the passes so far; or empty
  };
  TrainConfig config_;
  std::vector<ParameterGroup> groups_;
};

}  // namespace sublab
