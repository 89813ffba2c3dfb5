// Scores of a task by what its questions belong to.
#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace group_table {

std::string group_of(const Slot& slot) {
  return unquoted(slot.apart.value(condition::kGroup, json("all")));
}

/// Scores and, where groups have several draws of demonstrations, their spread: a column each a
/// variant.
Table table_of(const StudyData& data, const Asked& asked, const std::vector<Slot>& slots,
               Report& report) {
  Table table{asked.title("Scores by group in " + asked.task), {}, {}};
  std::vector<const Slot*> scores, spreads;
  for (const Slot& slot : slots) {
    if (slot.name == metric::kGroupScore) scores.push_back(&slot);
    if (slot.name == metric::kGroupDrawSd) spreads.push_back(&slot);
  }
  for (const VariantData& variant : data.variants) {
    table.columns.push_back({variant.name, metric_info(metric::kGroupScore).help});
    if (spreads.empty()) continue;
    const MetricInfo spread = metric_info(metric::kGroupDrawSd);
    table.columns.push_back({variant.name + ": " + spread.heading, spread.help});
  }
  for (const Slot* score : scores) {
    Row row{group_of(*score), {}};
    for (const VariantData& variant : data.variants) {
      row.cells.push_back(slot_cell(variant, *score, asked.of, report));
      if (spreads.empty()) continue;
      Cell cell;
      for (const Slot* spread : spreads)
        if (group_of(*spread) == group_of(*score))
          cell = slot_cell(variant, *spread, asked.of, report);
      row.cells.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

}  // namespace group_table

void add_group_tables(const StudyData& data, Report& report) {
  const auto records = shown_records(data);
  for (const Asked& asked : asked_of(data)) {
    Table table = group_table::table_of(data, asked, slots_of(records, asked.of), report);
    if (table.rows.size() > 1) report.tables.push_back(table);
  }
}

}  // namespace sublab
