// The one training loop.
#pragma once

#include <functional>

#include "experiments/train/trainer.h"

namespace sublab {

/// Trains `model` in place to the end of the run. `after_step` may be empty; what time
/// it takes is none of the training's.
TrainingResult train(LanguageModel& model, const RowSource& source, const TrainConfig& config,
                     uint64_t seed, const std::function<void(const TrainingPoint&)>& after_step,
                     const Group* group = nullptr);

}  // namespace sublab
