// Accuracies of one task by what its questions span within one evaluation: length, distance.
#include <algorithm>

#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace by_condition {

/// What a table spans.
struct Axis {
  const char* ending;     ///< of the metrics' names
  const char* condition;  ///< that tells them apart
  const char* title;
  const char* caption;
};

constexpr Axis kAxes[] = {
    {metric::kByLengthEnding, condition::kContext, " by length",
     "Columns: tokens that prompt and answer were made to fit in. "},
    {metric::kByDistanceEnding, condition::kDistance, " by distance",
     "Columns: tokens between what was stated and the question, at most, in powers of two. "},
    {metric::kByReachedEnding, condition::kReached, " by level reached",
     "Columns: the level that the stated key and value both reached; 0 = one of them was dropped "
     "at "
     "the first module. "}};

std::vector<Slot> slots_along(const Axis& axis, const std::vector<const Record*>& records,
                              const EvaluationOf& of) {
  std::vector<Slot> out;
  for (const Slot& slot : slots_of(records, of))
    if (slot.name.ends_with(axis.ending) && slot.apart.contains(axis.condition))
      out.push_back(slot);
  std::stable_sort(out.begin(), out.end(), [&](const Slot& a, const Slot& b) {
    return a.apart.at(axis.condition).get<double>() < b.apart.at(axis.condition).get<double>();
  });
  return out;
}

void add_table(const StudyData& data, const Asked& asked, const Axis& axis, Report& report) {
  const std::vector<Slot> slots = slots_along(axis, shown_records(data), asked.of);
  if (slots.size() < 2) return;
  Table table{asked.title("Accuracy in " + asked.task + axis.title), {}, {}};
  for (const Slot& slot : slots)
    table.columns.push_back({unquoted(slot.apart.at(axis.condition)), slot.help});
  Chance chance;
  for (const VariantData& variant : data.variants) {
    Row row{variant.name, {}};
    for (const Slot& slot : slots)
      row.cells.push_back(accuracy_cell(variant, slot, asked.of, chance, report));
    table.rows.push_back(row);
  }
  table.caption = axis.caption + ("Chance is " + chance.text()) + ". ";
  report.tables.push_back(table);
}

}  // namespace by_condition

bool has_table_by_condition(const std::string& metric) {
  return std::any_of(std::begin(by_condition::kAxes), std::end(by_condition::kAxes),
                     [&](const auto& axis) { return metric.ends_with(axis.ending); });
}

void add_by_condition_tables(const StudyData& data, Report& report) {
  for (const Asked& asked : asked_of(data))
    for (const by_condition::Axis& axis : by_condition::kAxes)
      by_condition::add_table(data, asked, axis, report);
}

}  // namespace sublab
