// Picks what makes variants cost the same.
#pragma once

#include <functional>
#include <vector>

#include "core/schema/equal_cost.h"
#include "core/schema/study.h"
#include "core/schema/trial_config.h"
#include "experiments/catalog.h"

namespace sublab {

/// For each entry of the study's "match" with "solve", the value per variant whose cost is nearest
/// to the reference's, in the entries' order; each is added to the changes of its variant among
/// `variants`. `resolve` gives the configuration of a variant. Throws UserError where none lies
/// within the tolerance, where a variant says the value itself, and where two entries pick it.
std::vector<SolvedValue> solve_match(const Study& study, std::vector<Variant>& variants,
                                     const std::function<TrialConfig(const Variant&)>& resolve,
                                     const Catalog& catalog);

}  // namespace sublab
