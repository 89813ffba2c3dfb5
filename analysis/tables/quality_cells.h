// Cells of what evaluations measured, with their intervals.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/study/slots.h"

namespace sublab {

/// Loss with its interval over documents; `question` null: of each record's headline.
Cell loss_cell(const VariantData& variant, const AskedQuestion* question, Report& report);

/// What a task says of answers that know nothing.
struct Chance {
  double any = 0;                ///< accuracy of guessing
  std::optional<double> in_row;  ///< of guessing among what the row itself offers
  /// "0.0156 (0.2500 among a row's own)".
  std::string text() const;
  friend bool operator==(const Chance&, const Chance&) = default;
};

/// A share of right answers with Wilson's interval, over main trials and probes. `chance` becomes
/// what the task says of it.
Cell accuracy_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
                   Chance& chance, Report& report);

/// Any other metric of the evaluation: mean and spread over the trials that have it, main ones
/// first.
Cell slot_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
               Report& report);

/// The comparison of `variant` with `reference` among these, or null.
const Comparison* with_reference(const std::vector<Comparison>& comparisons,
                                 const std::string& variant, const std::string& reference);

}  // namespace sublab
