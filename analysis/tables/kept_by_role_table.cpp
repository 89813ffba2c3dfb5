// Which tokens of a task were kept, by what they are in it.
#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

std::vector<Slot> role_slots(const std::vector<const Record*>& records, const EvaluationOf& of) {
  std::vector<Slot> out;
  for (const Slot& slot : slots_of(records, of))
    if (metric::is_of_family(slot.name, metric::kRoleKept)) out.push_back(slot);
  return out;
}

/// "query, L1".
std::string role_heading(const Slot& slot) {
  return unquoted(slot.apart.value(condition::kRole, json("all"))) + ", L" +
         metric::level_of(slot.name, metric::kRoleKept);
}

}  // namespace

void add_kept_by_role_tables(const StudyData& data, Report& report) {
  const auto records = shown_records(data);
  for (const Asked& asked : asked_of(data)) {
    const std::vector<Slot> slots = role_slots(records, asked.of);
    Table table{asked.title("Kept by role in " + asked.task), {}, {}};
    for (const Slot& slot : slots) table.columns.push_back({role_heading(slot), slot.help});
    for (const VariantData& variant : data.variants) {
      Row row{variant.name, {}};
      bool any = false, all_kept = true;
      for (const Slot& slot : slots) {
        row.cells.push_back(slot_cell(variant, slot, asked.of, report));
        const auto& share = row.cells.back().value;
        any = any || share;
        all_kept = all_kept && (!share || *share == 1);
      }
      if (any && !all_kept) table.rows.push_back(row);
    }
    if (!table.rows.empty()) report.tables.push_back(table);
  }
}

}  // namespace sublab
