#include "experiments/train/train.h"

#include <cmath>

#include "core/error.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/train/optimizer.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

at::Tensor to_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

}  // namespace

LabelledBatch make_batch(const RowSource& source, int64_t first, int64_t n_rows) {
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
  return {batch, to_tensor(labels), n_labels};
}

StepShape step_shape(const TrainConfig& config, int64_t context_len) {
  const int64_t per_pass =
      config.micro_batch_tokens > 0 ? config.micro_batch_tokens : config.batch_tokens;
  const int64_t rows_per_step = config.batch_tokens / context_len;
  const int64_t rows_per_pass = per_pass / context_len;
  if (rows_per_step < 1 || rows_per_pass < 1)
    throw UserError("/train/batch_tokens", std::to_string(std::min(config.batch_tokens, per_pass)) +
                                               " tokens hold no row of data.context_len " +
                                               std::to_string(context_len));
  const int64_t per_step = rows_per_step * context_len;
  return {rows_per_step, std::min(rows_per_pass, rows_per_step),
          (config.tokens + per_step - 1) / per_step};
}

namespace {

/// The forward passes of one step.
std::vector<LabelledBatch> passes_of(const RowSource& source, const StepShape& shape,
                                     int64_t step) {
  std::vector<LabelledBatch> passes;
  for (int64_t row = 0; row < shape.rows_per_step; row += shape.rows_per_pass) {
    const int64_t n_rows = std::min(shape.rows_per_pass, shape.rows_per_step - row);
    passes.push_back(make_batch(source, step * shape.rows_per_step + row, n_rows));
  }
  return passes;
}

}  // namespace

TrainingResult train(LanguageModel& model, const RowSource& source, const TrainConfig& config,
                     uint64_t seed, const std::function<void(const TrainingPoint&)>& after_step) {
  const StepShape shape = step_shape(config, source.context_len());
  const bool half = config.dtype == "bfloat16" && model.dtype() == at::kFloat;
  AdamW optimizer(model.parameters(), config);
  if (half) optimizer.halve_weights();
  TrainingResult result;
  const auto start = Clock::now();
  for (int64_t step = 0; step < shape.n_steps; ++step) {
    const std::vector<LabelledBatch> passes = passes_of(source, shape, step);
    int64_t n_labels = 0;
    for (const LabelledBatch& pass : passes) n_labels += pass.n_labels;
    const double progress = static_cast<double>(step) / static_cast<double>(shape.n_steps);
    const int64_t every = std::max<int64_t>(1, shape.n_steps / kWatchedSteps);
    SelectionMonitor monitor(step);
    double loss = 0;
    for (size_t pass = 0; pass < passes.size(); ++pass) {
      const Coins coins(seed, static_cast<uint64_t>(step) * passes.size() + pass);
      Run run;
      run.mode = Mode::train;
      run.progress = progress;
      run.step = step;
      run.recompute = config.recompute;
      run.coins = &coins;
      if (pass == 0 && step % every == 0) run.observer = &monitor;
      const at::Tensor hidden = run_model(model, passes[pass].batch, nullptr, run);
      const at::Tensor part = lm_loss(hidden, model.head_weight(), passes[pass].labels,
                                      static_cast<double>(std::max<int64_t>(n_labels, 1)));
      part.backward();
      loss += part.item<double>();
      result.tokens += static_cast<double>(passes[pass].batch.tokens.numel());
    }
    result.selection.insert(result.selection.end(), monitor.points().begin(),
                            monitor.points().end());
    const double norm = optimizer.clip_gradients();
    // The rate of the step that is being taken: a warm-up from 0 would waste the first one.
    const double rate_progress =
        (static_cast<double>(step) + 1) / static_cast<double>(shape.n_steps);
    const TrainingPoint point{step, result.tokens, loss, norm, seconds_since(start)};
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      result.outcome = "diverged";
      result.detail = "the loss or its gradient is not finite at step " + std::to_string(step);
      break;
    }
    result.curve.push_back(point);
    optimizer.step(learning_rate_at(config, rate_progress));
    if (after_step) after_step(point);
    if (config.minutes > 0 && seconds_since(start) > 60 * config.minutes) {
      result.outcome = "timed_out";
      result.detail = "after " + std::to_string(step + 1) + " of " + std::to_string(shape.n_steps) +
                      " steps (train.minutes)";
      break;
    }
  }
  if (half) optimizer.restore_weights();
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace sublab
