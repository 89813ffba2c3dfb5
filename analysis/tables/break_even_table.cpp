// The context from which on a variant beats the reference, per mode.
#include <algorithm>

#include "analysis/study/break_even.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

std::string crossing_text(const Crossing& crossing) {
  const std::string context = si_text(crossing.context);
  switch (crossing.where) {
    case Crossing::Where::between:
      return context;
    case Crossing::Where::from_start:
      return "below " + context;
    case Crossing::Where::nowhere:
      return "none up to " + context;
  }
  return {};
}

Cell crossing_cell(const std::optional<Crossing>& crossing, const SpeedCurve& curve) {
  Cell cell;
  if (!crossing) return cell;
  cell.text = crossing_text(*crossing);
  if (crossing->where == Crossing::Where::between) cell.value = crossing->context;
  cell.records = curve.trials;
  return cell;
}

/// The table of a batch and number format, made where it is missing.
Table& table_of(std::vector<Table>& tables, const std::string& title) {
  for (Table& table : tables)
    if (table.title == title) return table;
  tables.push_back({title, {}, {}});
  return tables.back();
}

size_t column_of(Table& table, const std::string& mode) {
  const std::string name = mode + " break-even";
  for (size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].name == name) return c;
  table.columns.push_back(
      {name,
       "context at which the median speed-up first exceeds 1, interpolated between measured "
       "contexts on logarithmic axes"});
  table.columns.push_back(
      {mode + " told",
       "the same of the lower end of the 95 % interval: from here on the gain is "
       "told from none"});
  for (Row& row : table.rows) row.cells.resize(table.columns.size());
  return table.columns.size() - 2;
}

Row& row_of(Table& table, const std::string& variant) {
  for (Row& row : table.rows)
    if (row.variant == variant) return row;
  table.rows.push_back({variant, std::vector<Cell>(table.columns.size())});
  return table.rows.back();
}

}  // namespace

void add_break_even_tables(const BenchFile& bench, Report& report) {
  std::vector<Table> tables;
  for (const SpeedCurve& curve : speed_curves(bench)) {
    Table& table = table_of(tables, "Break-even context against " + bench.compare_to + ": batch " +
                                        std::to_string(curve.batch) +
                                        (curve.dtype.empty() ? "" : ", " + curve.dtype));
    const size_t column = column_of(table, curve.mode);
    Row& row = row_of(table, curve.variant);
    const BreakEven found = break_even(curve);
    row.cells[column] = crossing_cell(found.median, curve);
    row.cells[column + 1] = crossing_cell(found.told, curve);
  }
  report.tables.insert(report.tables.end(), tables.begin(), tables.end());
}

}  // namespace sublab
