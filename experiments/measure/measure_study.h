// A study's speed, as a file of its results folder.
#pragma once

#include "experiments/measure/measure.h"

namespace sublab {

/// Measures all variants of the plan and writes bench/<id>.json; does nothing when it is there.
/// `stop` is asked before every round; once it says so, nothing is written and false returned.
bool measure_study(const Plan& plan, const fs::path& study_folder, const Catalog& catalog,
                   ProgressLine& progress, const std::function<bool()>& stop = {});

}  // namespace sublab
