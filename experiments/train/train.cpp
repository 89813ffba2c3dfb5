// The loop around a trainer.
#include "experiments/train/train.h"

namespace sublab {

TrainingResult train(LanguageModel& model, const RowSource& source, const TrainConfig& config,
                     uint64_t seed, const std::function<void(const TrainingPoint&)>& after_step,
                     const Group* group) {
  Trainer trainer(model, source, config, seed, group);
  while (!trainer.done()) {
    if (!trainer.step() || !after_step) continue;
    const auto begun = Clock::now();
    after_step(trainer.curve().back());
    trainer.pass_over(Clock::now() - begun);
  }
  return trainer.finish();
}

}  // namespace sublab
