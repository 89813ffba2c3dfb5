// One optimizer step, for one process and for a group of them (experiments/train/step.h).
#include "experiments/train/step.h"

#include <ATen/Context.h>

#include <cmath>

#include "models/parts/lm_head.h"
#include "models/transfer.h"

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
void sum_gradients(AdamW& optimizer, const Group* group) {
  if (!group || group->size() == 1) return;
  const std::vector<at::Tensor*> gradients = optimizer.gradients();
  std::vector<int64_t> reached_here;
  for (const at::Tensor* gradient : gradients) reached_here.push_back(gradient->defined());
  at::Tensor reached = at::tensor(reached_here, at::kLong);
  group->all_reduce_sum_(reached);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (reached[static_cast<int64_t>(i)].item<int64_t>() == 0) continue;
    at::Tensor& gradient = *gradients[i];
    if (!gradient.defined()) gradient = optimizer.zero_gradient(i);
    group->all_reduce_sum_(gradient);
  }
}

/// Float32 matrix products of CUDA run in TF32 while it stands; the setting is the process's.
class Tf32 {
 public:
  explicit Tf32(bool on)
      : on_(on), before_(at::globalContext().float32Precision(kCuda, kProducts)) {
    if (on_) set(at::Float32Precision::TF32);
  }
  ~Tf32() {
    if (on_) set(before_);
  }
  Tf32(const Tf32&) = delete;
  Tf32& operator=(const Tf32&) = delete;

 private:
  static constexpr auto kCuda = at::Float32Backend::CUDA;
  static constexpr auto kProducts = at::Float32Op::MATMUL;
  static void set(at::Float32Precision precision) {
    at::globalContext().setFloat32Precision(kCuda, kProducts, precision);
  }
  bool on_;
  at::Float32Precision before_;
};

/// Sums over the passes, fp64, on the device.
struct Losses {
  at::Tensor loss, auxiliary;

  void add(const at::Tensor& loss_of_pass, const at::Tensor& beside) {
    const auto wide = [](const at::Tensor& x) { return x.detach().to(at::kDouble); };
    loss = loss.defined() ? loss + wide(loss_of_pass) : wide(loss_of_pass);
    if (beside.defined()) auxiliary = auxiliary.defined() ? auxiliary + wide(beside) : wide(beside);
  }
};

/// Forward and backward pass over passes[pass].
void run_pass(const LanguageModel& model, const std::vector<LabelledBatch>& passes, size_t pass,
              double divisor, const StepSettings& settings, Losses& sums) {
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
  // Means over a pass count by its share of the step, as the labels' mean does.
  at::Tensor beside = auxiliary.total();
  if (beside.defined()) beside = beside * (static_cast<double>(passes[pass].n_labels) / divisor);
  sums.add(loss, beside);
  (beside.defined() ? loss + beside : loss).backward();
}

/// One read by the host.
void read(const Losses& sums, const at::Tensor& norm, StepResult& result) {
  std::vector<at::Tensor> numbers;
  for (const at::Tensor& each : {sums.loss, norm.to(sums.loss.device()), sums.auxiliary})
    if (each.defined()) numbers.push_back(each);
  const at::Tensor on_host = at::stack(numbers).cpu();
  const auto* value = on_host.const_data_ptr<double>();
  result.loss_nats = value[0];
  result.gradient_norm = value[1];
  if (sums.auxiliary.defined()) result.auxiliary_loss = value[2];
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
  return {batch.to(device), sent_to(device, labels), n_labels};
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
  const training_step::Tf32 tf32(settings.tf32);
  training_step::Losses sums;
  for (size_t pass = 0; pass < passes.size(); ++pass) {
    if (pass > 0) optimizer.add_up_gradients();
    training_step::run_pass(model, passes, pass, divisor, settings, sums);
  }
  if (passes.size() > 1) optimizer.add_up_gradients();
  training_step::sum_gradients(optimizer, settings.group);
  const at::Tensor norm = optimizer.gradient_norm();
  if (settings.meanwhile) settings.meanwhile();
  training_step::read(sums, norm, result);
  result.loss_nats = training_step::sum_over(settings.group, result.loss_nats);
  result.auxiliary_loss = training_step::sum_over(settings.group, result.auxiliary_loss);
  if (result.finite()) {
    optimizer.clip_gradients(result.gradient_norm);
    optimizer.step(settings.learning_rate);
  }
  return result;
}

}  // namespace sublab
