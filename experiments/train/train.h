// The one training loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/schema/trial_config.h"
#include "data/row_source.h"
#include "experiments/observe/selection_monitor.h"
#include "models/language_model.h"

namespace sublab {

struct TrainingPoint {
  int64_t step;
  double tokens;         ///< tokens trained on when the step was done
  double loss_nats;      ///< mean over the step's predicted tokens
  double gradient_norm;  ///< before clipping
  double seconds;        ///< since training began
};

/// Steps of a run whose selections are looked at.
inline constexpr int64_t kWatchedSteps = 200;

struct TrainingResult {
  std::vector<TrainingPoint> curve;  ///< one point per step
  std::string outcome = "ok";        ///< "ok", "diverged" or "timed_out"
  std::string detail;
  double seconds = 0;
  double tokens = 0;
  std::vector<SelectionPoint> selection;  ///< of about kWatchedSteps steps, spread over the run
};

/// Rows `first`, `first + 1`, ... of `source` as one batch with its labels.
struct LabelledBatch {
  Batch batch;
  at::Tensor labels;  ///< [N] int64
  int64_t n_labels;   ///< those that are not ignored
};
LabelledBatch make_batch(const RowSource& source, int64_t first, int64_t n_rows);

/// How many rows one step and one forward pass take.
struct StepShape {
  int64_t rows_per_step, rows_per_pass, n_steps;
};
/// For rows of `context_len` tokens. Throws UserError when batch_tokens holds no whole row.
StepShape step_shape(const TrainConfig& config, int64_t context_len);

/// Trains `model` in place on rows 0, 1, 2, ... of `source`. Gradients of a step's passes add up to
/// the mean over the step's labels. `after_step` may be empty.
TrainingResult train(LanguageModel& model, const RowSource& source, const TrainConfig& config,
                     uint64_t seed, const std::function<void(const TrainingPoint&)>& after_step);

}  // namespace sublab
