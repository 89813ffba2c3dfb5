// What moved between two versions of a report.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

struct CellChange {
  std::string table, row, column;
  std::string before, after;    ///< as shown; "" = the cell was not there
  std::optional<double> ratio;  ///< after / before, where both are numbers
  bool beyond = false;          ///< a number left the interval that it had before (or had none)
};

/// Cells that differ between two reports as JSON (report_as_json), matched by table, row and
/// column; in the order of `after`, then those that are gone.
std::vector<CellChange> report_changes(const json& before, const json& after);

/// One line per change, aligned; says so when nothing moved.
std::string changes_as_text(const std::vector<CellChange>& changes);

}  // namespace sublab
