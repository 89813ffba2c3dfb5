// A plan held against what its study resolves to.
#pragma once

#include <string>
#include <vector>

#include "core/schema/plan.h"

namespace sublab {

struct PlanAgreement {
  std::vector<std::string> problems;  ///< one line each
  std::vector<std::string> remarks;   ///< what another version of the program explains
};

/// `standing` is the plan in the folder, `resolved` the one that study.json gives here and now:
/// comparisons, matching, claims, measurement, ladders, content, and every trial with its
/// configuration. A setting that plans did not have when `standing` was made differs from nothing.
PlanAgreement hold_plan_against(const Plan& standing, const Plan& resolved);

}  // namespace sublab
