// Weights that a trial does not train itself: those that it starts from, and those that a training
// of the same train_id left.
#pragma once

#include <memory>

#include "core/schema/record.h"
#include "experiments/catalog.h"
#include "experiments/run/trial_data.h"
#include "models/language_model.h"

namespace sublab {

/// Takes the weights of `folder` into `model`, which training starts from. Returns the tokens of a
/// row that they were trained on.
int64_t start_from(const fs::path& folder, const TrialConfig& config, const TrialData& data,
                   const Catalog& catalog, LanguageModel& model, Record& record);

/// The weights that a training with this trial's train_id left in `folder`.
std::unique_ptr<LanguageModel> trained_model(const fs::path& folder, const TrialConfig& config,
                                             const TrialData& data, const Catalog& catalog,
                                             at::Device device);

}  // namespace sublab
