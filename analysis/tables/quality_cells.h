// Cells of what evaluations measured, with their intervals.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/study/slots.h"

namespace sublab {

/// Loss with its interval over documents; `question` null: of each record's headline.
Cell loss_cell(const VariantData& variant, const AskedQuestion* question, Report& report);

/// A share of right answers with Wilson's interval, over main trials and probes. `chance` becomes
/// what the task says of it.
Cell accuracy_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
                   double& chance, Report& report);

/// Any other metric of the evaluation: mean and spread over the trials that have it, main ones
/// first.
Cell slot_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
               Report& report);

/// The comparison of `variant` with `reference` among these, or null.
const Comparison* with_reference(const std::vector<Comparison>& comparisons,
                                 const std::string& variant, const std::string& reference);

}  // namespace sublab
