// The claims of a study as a table of its report.
#pragma once

#include "analysis/claims/claims.h"
#include "analysis/report/report.h"

namespace sublab {

/// Adds table "Claims" (and "Claims tied to hardware") of the claims in the study's plan, and one
/// sentence about those that are about no variant here. Nothing where the plan has no claims.
/// Throws UserError when the plan's claims are damaged.
void add_claims_table(const StudyData& data, Report& report);

/// The claims that a plan carries, as one set that has the study's name.
ClaimSet claims_of_plan(const StudyData& data);

}  // namespace sublab
