// Trainings that another study has done: weights of equal train_id are the same to the last bit.
#pragma once

#include "core/schema/plan.h"

namespace sublab {

/// Copies the trainings that trials of `plan` ask for, `study_folder` lacks and `lender`, the
/// results folder of another study, has, each as a whole. Says on standard error how many they
/// were. Throws UserError where `lender` has no checkpoints, or one that is not what its training
/// left.
void take_trainings(const Plan& plan, const fs::path& study_folder, const fs::path& lender);

}  // namespace sublab
