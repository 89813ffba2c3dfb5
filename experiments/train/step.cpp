// One optimizer step, for one process and for a group of them (experiments/train/step.h).
#include "experiments/train/step.h"

#include <cmath>

#include "models/parts/lm_head.h"

namespace sublab {
namespace training_step {

at::Tensor to_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

/// The sum of `value` over the ranks.
double sum_over(const Group* group, double value) {
  if (!group || group->size() == 1) return value;
  at::Tensor sum = at::full({1}, value, at::kDouble);
  group->all_reduce_sum_(sum);
  return sum.item<double>();
}

/// Gradients summed over the ranks. A rank whose rows did not reach a parameter that others reached
/// takes part with zeros.
void sum_gradients(const LanguageModel& model, const Group* group) {
  if (!group || group->size() == 1) return;
  std::vector<Parameter> parameters = model.parameters();
  std::vector<int64_t> reached_here;
  for (const Parameter& parameter : parameters)
    reached_here.push_back(parameter.tensor.grad().defined());
  at::Tensor reached = at::tensor(reached_here, at::kLong);
  group->all_reduce_sum_(reached);
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (reached[static_cast<int64_t>(i)].item<int64_t>() == 0) continue;
    at::Tensor& gradient = parameters[i].tensor.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameters[i].tensor);
    group->all_reduce_sum_(gradient);
  }
}

}  // namespace training_step

LabelledBatch make_batch(const RowSource& source, int64_t first, int64_t n_rows,
                         at::Device device) {
  using training_step::to_tensor;
  std::vector<int64_t> tokens, labels, positions, lengths;
  std::vector<double> hints;
  int64_t n_labels = 0;
  for (int64_t i = first; i < first + n_rows; ++i) {
    const TokenRow row = source.row(i);
    tokens.insert(tokens.end(), row.tokens.begin(), row.tokens.end());
    labels.insert(labels.end(), row.labels.begin(), row.labels.end());
    positions.insert(positions.end(), row.positions.begin(), row.positions.end());
    lengths.insert(lengths.end(), row.lengths.begin(), row.lengths.end());
    hints.insert(hints.end(), row.hints.begin(), row.hints.end());
    for (const int64_t label : row.labels) n_labels += label >= 0;
  }
  Batch batch{to_tensor(tokens), Rows::with_positions(lengths, {}, to_tensor(positions)), {}};
  if (!hints.empty()) batch.hints = at::tensor(hints, at::kDouble);
  return {batch.to(device), to_tensor(labels).to(device), n_labels};
}

bool StepResult::finite() const { return std::isfinite(loss_nats) && std::isfinite(gradient_norm); }

StepResult optimizer_step(const LanguageModel& model, AdamW& optimizer,
                          const std::vector<LabelledBatch>& passes, const StepSettings& settings) {
  double n_labels = 0;
  for (const LabelledBatch& pass : passes) n_labels += static_cast<double>(pass.n_labels);
  const double divisor = std::max(training_step::sum_over(settings.group, n_labels), 1.0);
  StepResult result;
  for (const LabelledBatch& pass : passes)
    result.n_tokens += static_cast<double>(pass.batch.tokens.numel());
  result.n_tokens = training_step::sum_over(settings.group, result.n_tokens);
  for (size_t pass = 0; pass < passes.size(); ++pass) {
    const Coins coins(settings.seed, settings.first_pass + pass);
    Run run;
    run.mode = Mode::train;
    run.progress = settings.progress;
    run.step = settings.step;
    run.recompute = settings.recompute;
    run.coins = &coins;
    run.forced = settings.forced;
    run.group = settings.group;
    AuxiliaryLosses auxiliary;
    run.losses = &auxiliary;
    if (pass == 0) run.observer = settings.observer;
    const at::Tensor hidden = run_model(model, passes[pass].batch, nullptr, run);
    const at::Tensor loss = lm_loss(hidden, model.head_weight(), passes[pass].labels, divisor);
    result.loss_nats += loss.item<double>();
    // Means over a pass count by its share of the step, as the labels' mean does.
    at::Tensor beside = auxiliary.total();
    if (beside.defined()) {
      beside = beside * (static_cast<double>(passes[pass].n_labels) / divisor);
      result.auxiliary_loss += beside.item<double>();
    }
    (beside.defined() ? loss + beside : loss).backward();
  }
  result.loss_nats = training_step::sum_over(settings.group, result.loss_nats);
  result.auxiliary_loss = training_step::sum_over(settings.group, result.auxiliary_loss);
  training_step::sum_gradients(model, settings.group);
  result.gradient_norm = optimizer.clip_gradients();
  if (result.finite()) optimizer.step(settings.learning_rate);
  return result;
}

}  // namespace sublab
