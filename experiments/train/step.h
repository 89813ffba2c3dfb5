// One optimizer step: the only place where forward pass, loss, backward pass, clipping and update
// stand together. The trainer, the speed worker and the microbenchmarks all take it.
#pragma once

#include <functional>
#include <vector>

#include "data/row_source.h"
#include "experiments/train/optimizer.h"
#include "models/language_model.h"

namespace sublab {

/// Rows `first`, `first + 1`, ... of `source` as one batch with its labels.
struct LabelledBatch {
  Batch batch;
  at::Tensor labels;  ///< [N] int64
  int64_t n_labels;   ///< those that are not ignored
};
LabelledBatch make_batch(const RowSource& source, int64_t first, int64_t n_rows,
                         at::Device device = at::kCPU);

/// What the passes of a step have in common, beside their rows.
struct StepSettings {
  double learning_rate = 0;
  double progress = 1;      ///< share of the run done before the step
  int64_t step = 0;         ///< steps done before it
  uint64_t seed = 1;        ///< of the coins
  uint64_t first_pass = 0;  ///< passes of the run before this rank's first one; picks the coins
  bool recompute = false;
  const KeepRule* forced = nullptr;
  bool tf32 = false;             ///< matrix products of float32 numbers in TF32, on cards
  Observer* observer = nullptr;  ///< sees the first pass
  const Group* group = nullptr;  ///< ranks that share the step; null = one
  /// Called once the device has the work of all passes and before the host waits for it: what the
  /// host has to do meanwhile, such as making the rows of the next step.
  std::function<void()> meanwhile = {};
};

struct StepResult {
  double loss_nats = 0;       ///< mean over the labels of all passes and ranks
  double auxiliary_loss = 0;  ///< what mechanisms added to it (Run::losses), weighted
  double gradient_norm = 0;   ///< before clipping
  double n_tokens = 0;        ///< of all passes and ranks
  bool finite() const;        ///< where one is not, nothing was updated
};

/// Gradients of the passes add up to those of the mean over all their labels, over all ranks of the
/// group, and of what mechanisms add to it; the weights then move by `optimizer`, alike on every
/// rank. The host reads from the device once: loss and norm, after the last backward pass.
StepResult optimizer_step(const LanguageModel& model, AdamW& optimizer,
                          const std::vector<LabelledBatch>& passes, const StepSettings& settings);

}  // namespace sublab
