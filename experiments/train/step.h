// One optimizer step: the only place where forward pass, loss, backward pass, clipping and update
// stand together. The trainer, the speed worker and the microbenchmarks all take it.
#pragma once

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
  Observer* observer = nullptr;  ///< sees the first pass
  const Group* group = nullptr;  ///< ranks that share the step; null = one
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
/// rank.
StepResult optimizer_step(const LanguageModel& model, AdamW& optimizer,
                          const std::vector<LabelledBatch>& passes, const StepSettings& settings);

}  // namespace sublab
