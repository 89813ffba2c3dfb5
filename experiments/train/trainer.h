// Training as a value: it takes a step, says where it stands, and can be put away and taken up
// again, with the same bits as if it had gone on.
#pragma once

#include <string>
#include <vector>

#include "core/files.h"
#include "core/schema/trial_config.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/observe/selection_monitor.h"
#include "experiments/train/step.h"

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

/// How many rows one step and one forward pass take.
struct StepShape {
  int64_t rows_per_step, rows_per_pass, n_steps;
};
/// For rows of `context_len` tokens. Throws UserError when batch_tokens holds no whole row.
StepShape step_shape(const TrainConfig& config, int64_t context_len);

/// Trains `model` in place on rows 0, 1, 2, ... of `rows`. With a group, each rank takes its share
/// of a step's rows, and all ranks hold the same weights after it. With dtype bfloat16 the model
/// computes in it from here to `finish`.
class Trainer {
 public:
  /// All but the configuration must outlive it; `group` null = one rank. Throws UserError where a
  /// step has fewer rows than the group has ranks.
  Trainer(LanguageModel& model, const RowSource& rows, const TrainConfig& config, uint64_t seed,
          const Group* group = nullptr);

  /// Every step is taken, or one of them ended the run.
  bool done() const;
  /// Takes the next step. False where the loss or its gradient was not finite: the weights are
  /// those before it, and the run has diverged.
  bool step();
  /// Steps taken; the curve has a point for each.
  int64_t n_steps_done() const { return static_cast<int64_t>(result_.curve.size()); }
  const std::vector<TrainingPoint>& curve() const { return result_.curve; }
  /// Time that was spent between steps on something else.
  void pass_over(Clock::duration time) { start_ += time; }
  /// Gives the model its float32 weights back. No step follows.
  TrainingResult finish();

  /// Writes weights, buffers, moments and all that is known of the steps taken, durably: a reader
  /// finds the state saved before or this one. Called by every rank; rank 0 writes.
  void save(const fs::path& folder) const;
  /// Goes on where `save` was called, on a model and rows of the same configuration. Throws
  /// UserError where the folder holds the state of another run.
  void load(const fs::path& folder);

 private:
  /// What this rank does of a step: its rows, and the passes of the run that come before them.
  struct Share {
    int64_t first_row, n_rows, passes_before, passes_of_all;
  };
  Share share() const;
  std::vector<LabelledBatch> passes(int64_t step) const;
  double seconds() const { return seconds_before_ + seconds_since(start_); }
  std::vector<StoredTensor> state() const;

  LanguageModel& model_;
  const RowSource& rows_;
  TrainConfig config_;
  uint64_t seed_;
  const Group* group_;
  StepShape shape_;
  AdamW optimizer_;
  bool half_;
  std::vector<LabelledBatch> next_;  ///< passes of the step to come, made while a device computed
  TrainingResult result_;
  double seconds_before_ = 0;  ///< of training before the state was loaded
  Clock::time_point start_;
};

}  // namespace sublab
