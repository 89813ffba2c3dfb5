// What the training took of the weights that a trial starts from (train.from).
#pragma once

#include <optional>

#include "analysis/study/study_data.h"

namespace sublab {

/// Tokens and FLOPs of training; nothing where they are not known.
struct InheritedCost {
  std::optional<double> tokens, flops;
};

/// Whether the trial went on from weights instead of new ones.
bool starts_from_weights(const Record& record);

/// Of the weights that the trial of `record` starts from, and of those that these started from: by
/// the records of the study, or as the checkpoint says, which the record kept. 0 for new weights.
InheritedCost inherited_cost(const StudyData& data, const Record& record);

/// The same with the trial's own training.
InheritedCost whole_training(const StudyData& data, const Record& record);

}  // namespace sublab
