// Does evaluation keep what training selected? One line per variant, over all its seeds.
#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/study/slots.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/selection_tables.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/json_text.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

json retention_in(const Record& record) {
  return record.config.at("model").value("retention", json());
}

/// That a module was trained at; nothing where the configuration does not say.
std::optional<double> retention_of_module(const Record& record, size_t module) {
  const json given = retention_in(record);
  if (given.is_number()) return given.get<double>();
  if (given.is_array() && module < given.size() && given[module].is_number())
    return given[module].get<double>();
  return std::nullopt;
}

std::vector<std::string> ids_of(const std::vector<const Record*>& records) {
  std::vector<std::string> out;
  for (const Record* record : records) out.push_back(record->id);
  return out;
}

Cell retention_cell(const std::vector<const Record*>& records) {
  Cell cell;
  const json given = retention_in(*records.front());
  if (given.is_number()) {
    cell.value = given.get<double>();
    cell.text = significant(*cell.value, 3);
  } else if (given.is_array()) {
    std::vector<std::string> parts;
    for (const json& each : given) parts.push_back(unquoted(each));
    cell.text = join(parts);
  }
  cell.records = ids_of(records);
  return cell;
}

Cell number_over(const std::optional<double>& value, int digits,
                 const std::vector<const Record*>& records) {
  Cell cell;
  if (!value) return cell;
  cell.value = value;
  cell.text = fixed(*value, digits);
  cell.records = ids_of(records);
  return cell;
}

/// The largest |kept - retention| over modules and seeds.
std::optional<double> largest_deviation(const std::vector<const Record*>& records,
                                        const std::vector<KeptSlot>& slots) {
  std::optional<double> out;
  for (const Record* record : records)
    for (const KeptSlot& slot : slots) {
      const Metric* kept = slot.of(*record);
      if (!kept || !kept->value) continue;
      const auto retention =
          retention_of_module(*record, kept->conditions.value(condition::kModule, size_t{0}));
      if (retention) out = std::max(out.value_or(0), std::abs(*kept->value - *retention));
    }
  return out;
}

std::optional<double> largest_gap(const std::vector<const Record*>& records) {
  std::optional<double> out;
  for (const Record* record : records)
    if (const auto gap = metric_of(*record, metric::kSelectionGapNats))
      out = std::max(out.value_or(0), std::abs(*gap));
  return out;
}

/// Shares of scores inside (0, 1), one per module and seed.
struct InsideShares {
  std::vector<double> at_half, at_end;
};

/// Each module's row of the curve whose step lies nearest to `step`.
void add_nearest(const std::vector<double>& rows, size_t n_columns, double step,
                 std::vector<double>& out) {
  std::map<double, const double*> nearest;  // by module
  for (size_t at = 0; at + n_columns <= rows.size(); at += n_columns) {
    const double* row = &rows[at];
    const double*& best = nearest[row[array::kModule]];
    if (!best || std::abs(row[array::kStep] - step) < std::abs(best[array::kStep] - step))
      best = row;
  }
  for (const auto& [module, row] : nearest) out.push_back(row[array::kInside]);
}

InsideShares inside_shares(const StudyData& data, const std::vector<const Record*>& records) {
  InsideShares out;
  for (const Record* record : records) {
    const auto curve = read_array(data.folder, *record, array::kSelectionCurve);
    if (!curve || curve->shape.size() != 2) continue;
    const auto n_columns = static_cast<size_t>(curve->shape[1]);
    const std::vector<double> rows = curve->as_doubles();
    if (n_columns <= array::kInside || rows.empty()) continue;
    const double last = rows[rows.size() - n_columns + array::kStep];
    add_nearest(rows, n_columns, last / 2, out.at_half);
    add_nearest(rows, n_columns, last, out.at_end);
  }
  return out;
}

void add_inside_cells(const std::vector<double>& shares, const std::vector<const Record*>& records,
                      Row& row) {
  const bool any = !shares.empty();
  row.cells.push_back(number_over(any ? std::optional(mean_of(shares)) : std::nullopt, 3, records));
  row.cells.push_back(number_over(
      any ? std::optional(*std::min_element(shares.begin(), shares.end())) : std::nullopt, 3,
      records));
}

std::vector<Column> held_columns(const std::vector<KeptSlot>& slots) {
  const auto of_metric = [](const char* name) {
    const MetricInfo info = metric_info(name);
    return Column{info.heading, info.help};
  };
  std::vector<Column> out = {of_metric(metric::kLossNats),
                             {"retention", "share of its parent that a level keeps in training"}};
  for (const KeptSlot& slot : slots) out.push_back({slot.heading, slot.help});
  out.push_back({"largest deviation", "of a kept share from the retention, over levels and seeds"});
  out.push_back(of_metric(metric::kSelectionGapNats));
  out.push_back({"largest gap", "its size, over seeds"});
  const std::string inside = "share of scores inside (0, 1), which alone have a gradient, ";
  out.push_back({"inside at half", inside + "half-way through training: mean"});
  out.push_back({"least at half", inside + "half-way: least over levels and seeds"});
  out.push_back({"inside at the end", inside + "at the end of training: mean"});
  out.push_back({"least at the end", inside + "at the end: least over levels and seeds"});
  return out;
}

}  // namespace

void add_held_selection_table(const StudyData& data, Report& report) {
  const std::vector<KeptSlot> slots = kept_slots(data);
  Table table{"Does evaluation keep what training selected?", held_columns(slots), {}};
  for (const VariantData& variant : data.variants) {
    const auto records = variant.good();
    if (records.empty() || keeps_everything(*records.front())) continue;
    const auto deviation = largest_deviation(records, slots);
    if (!deviation) continue;
    Row row{variant.name, {loss_cell(variant, nullptr, report), retention_cell(records)}};
    for (const KeptSlot& slot : slots)
      row.cells.push_back(metric_cell(
          records, slot.name, [&](const Record& record) { return slot.of(record); }, report));
    row.cells.push_back(number_over(deviation, 3, records));
    row.cells.push_back(metric_cell(variant, metric::kSelectionGapNats, report));
    row.cells.push_back(number_over(largest_gap(records), 4, records));
    const InsideShares inside = inside_shares(data, records);
    add_inside_cells(inside.at_half, records, row);
    add_inside_cells(inside.at_end, records, row);
    table.rows.push_back(row);
  }
  if (table.rows.empty()) return;
  table.caption = "All seeds count, not the first alone. ";
  report.tables.push_back(table);
}

}  // namespace sublab
