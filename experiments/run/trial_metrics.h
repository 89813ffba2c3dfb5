// What a record says of a model's size and of its training.
#pragma once

#include "core/npz.h"
#include "core/schema/record.h"
#include "core/schema/trial_config.h"
#include "experiments/machine/environment.h"
#include "experiments/train/trainer.h"
#include "models/language_model.h"

namespace sublab {

/// Parameters, ledger and costs: what the configuration alone decides.
void add_size(const LanguageModel& model, const TrialConfig& config, Record& record);

/// Outcome and seconds; the curve and the selections among `arrays`, and as metrics the state of
/// each module, and of the gates of each layer with a memory, at the end of training.
void add_training(const TrainingResult& result, const LanguageModel& model, NpyMembers& arrays,
                  Record& record);

/// Whether other programs ran beside training: its seconds are then not those of this machine.
void add_machine_use(const MachineUse& before, const MachineUse& after, Record& record);

}  // namespace sublab
