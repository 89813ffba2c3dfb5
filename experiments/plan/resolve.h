// From what a user wrote of one trial to what is run: every default written out, every name checked
// against the catalog, every mistake refused with its JSON path.
#pragma once

#include <string>
#include <vector>

#include "core/schema/trial_config.h"
#include "experiments/catalog.h"

namespace sublab {

/// The configuration of one trial. `given` holds "model", "data", "train", "evaluate"; `where`
/// stands before the JSON path in messages. `train.from` is one of `variants`, or a checkpoint, of
/// which all but the weights is read.
TrialConfig resolve_trial(const json& given, const std::string& where, const Catalog& catalog,
                          const std::vector<std::string>& variants = {});

}  // namespace sublab
