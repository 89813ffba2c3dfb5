// The fused update of every parameter, clipping, bfloat16 weights, and the state that is put away.
#include "experiments/train/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <cmath>
#include <numbers>

namespace sublab {

namespace {

/// Autograd allows another dtype only while the tensor is no leaf of it.
void replace_data(at::Tensor& parameter, const at::Tensor& data) {
  parameter.set_requires_grad(false);
  parameter.set_data(data);
  parameter.set_requires_grad(true);
}

std::vector<at::Tensor> defined_of(const std::vector<at::Tensor*>& tensors) {
  std::vector<at::Tensor> out;
  for (const at::Tensor* tensor : tensors)
    if (tensor->defined()) out.push_back(*tensor);
  return out;
}

}  // namespace

double learning_rate_at(const TrainConfig& config, double progress) {
  if (progress < config.warmup) return config.learning_rate * (progress / config.warmup);
  const double along = config.warmup < 1 ? (progress - config.warmup) / (1 - config.warmup) : 1;
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(along, 1.0)));
  return config.learning_rate *
         (config.final_learning_rate + (1 - config.final_learning_rate) * cosine);
}

AdamW::AdamW(std::vector<Parameter> parameters, const TrainConfig& config) : config_(config) {
  for (const Parameter& parameter : parameters) {
    const double decay = parameter.decay ? config.weight_decay : 0;
    auto group = std::find_if(groups_.begin(), groups_.end(), [&](const ParameterGroup& g) {
      return g.learning_rate_scale == parameter.learning_rate_scale && g.weight_decay == decay;
    });
    if (group == groups_.end()) {
      group = groups_.insert(groups_.end(), ParameterGroup{});
      group->learning_rate_scale = parameter.learning_rate_scale;
      group->weight_decay = decay;
    }
    group->names.push_back(parameter.name);
    group->parameters.push_back(parameter.tensor);
    group->first_moments.push_back(at::zeros_like(parameter.tensor));
    group->second_moments.push_back(at::zeros_like(parameter.tensor));
    group->steps.push_back(at::zeros({}, parameter.tensor.options().dtype(at::kFloat)));
  }
}

std::vector<at::Tensor*> AdamW::gradients() {
  std::vector<at::Tensor*> out;
  for (ParameterGroup& group : groups_)
    for (size_t i = 0; i < group.parameters.size(); ++i)
      out.push_back(group.sums.empty() ? &group.parameters[i].mutable_grad() : &group.sums[i]);
  return out;
}

at::Tensor AdamW::zero_gradient(size_t i) const {
  auto group = groups_.begin();
  for (; i >= group->parameters.size(); ++group) i -= group->parameters.size();
  const at::Tensor& like = group->sums.empty() ? group->parameters[i] : group->masters[i];
  return at::zeros_like(like);
}

void AdamW::add_up_gradients() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    if (group.masters.empty()) continue;
    group.sums.resize(group.parameters.size());
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      at::Tensor& gradient = group.parameters[i].mutable_grad();
      if (!gradient.defined()) continue;
      at::Tensor& sum = group.sums[i];
      sum = sum.defined() ? sum.add_(gradient) : gradient.to(at::kFloat);
      gradient = at::Tensor();
    }
  }
}

at::Tensor AdamW::gradient_norm() {
  const std::vector<at::Tensor> reached = defined_of(gradients());
  if (reached.empty()) return at::zeros({}, at::kDouble);
  // Norms of bfloat16 gradients are float32 numbers; all others have their own type.
  const bool half = reached.front().scalar_type() == at::kBFloat16;
  const auto type = half ? std::optional(at::kFloat) : std::nullopt;
  const at::Tensor norms = at::stack(at::_foreach_norm(reached, 2, type));
  return at::linalg_vector_norm(norms).to(at::kDouble);
}

void AdamW::clip_gradients(double norm) {
  if (config_.clip_norm <= 0 || norm <= config_.clip_norm) return;
  const std::vector<at::Tensor> reached = defined_of(gradients());
  at::_foreach_mul_(reached, config_.clip_norm / norm);
}

void AdamW::step(double learning_rate) {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    std::vector<at::Tensor> parameters, gradients, first, second, steps, rounded;
    const bool half = !group.masters.empty();
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      at::Tensor& own = group.parameters[i].mutable_grad();
      const at::Tensor gradient = group.sums.empty() ? own : group.sums[i];
      if (!gradient.defined()) continue;
      parameters.push_back(half ? group.masters[i] : group.parameters[i]);
      gradients.push_back(half ? gradient.to(at::kFloat) : gradient);
      rounded.push_back(group.parameters[i]);
      first.push_back(group.first_moments[i]);
      second.push_back(group.second_moments[i]);
      steps.push_back(group.steps[i]);
      own = at::Tensor();
    }
    group.sums.clear();
    if (parameters.empty()) continue;
    at::_foreach_add_(steps, 1);
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps,
                      learning_rate * group.learning_rate_scale, config_.beta1, config_.beta2,
                      group.weight_decay, config_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
    if (half) at::_foreach_copy_(rounded, parameters);
  }
}

void AdamW::halve_weights() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_)
    for (at::Tensor& parameter : group.parameters) {
      group.masters.push_back(parameter.detach().clone());
      replace_data(parameter, parameter.to(at::kBFloat16));
    }
}

void AdamW::restore_weights() {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    for (size_t i = 0; i < group.masters.size(); ++i)
      replace_data(group.parameters[i], group.masters[i]);
    group.masters.clear();
  }
}

std::vector<StoredTensor> AdamW::state() const {
  std::vector<StoredTensor> out;
  for (const ParameterGroup& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i) {
      const bool half = !group.masters.empty();
      out.push_back({group.names[i], {half ? group.masters[i] : group.parameters[i]}, ""});
      out.push_back({"first_moment." + group.names[i], {group.first_moments[i]}, ""});
      out.push_back({"second_moment." + group.names[i], {group.second_moments[i]}, ""});
    }
  return out;
}

std::map<std::string, int64_t> AdamW::updates() const {
  std::map<std::string, int64_t> out;
  for (const ParameterGroup& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i)
      out[group.names[i]] = static_cast<int64_t>(group.steps[i].item<double>());
  return out;
}

void AdamW::loaded(const std::map<std::string, int64_t>& updates) {
  at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i) {
      group.steps[i].fill_(updates.at(group.names[i]));
      if (!group.masters.empty()) group.parameters[i].copy_(group.masters[i]);
    }
}

}  // namespace sublab
