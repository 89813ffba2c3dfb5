// Cells that are means over records, and columns that never vary.
#include "analysis/tables/cells.h"

#include <algorithm>
#include <cmath>

#include "analysis/text/format.h"

namespace sublab {
namespace {

/// Why the last record that names the metric has no value for it.
std::string reason_of(const std::vector<const Record*>& records, const Pick& pick) {
  std::string out;
  for (const Record* record : records)
    if (const Metric* metric = pick(*record); metric && !metric->value) out = metric->note;
  return out;
}

}  // namespace

std::optional<double> mean_reading(const std::vector<const Record*>& records, const Reading& read) {
  const auto values = readings(records, read);
  return values.empty() ? std::nullopt : std::optional(mean_of(values));
}

std::optional<double> mean_metric(const std::vector<const Record*>& records,
                                  const std::string& name) {
  return mean_reading(records, [&](const Record& record) { return metric_of(record, name); });
}

Cell metric_cell(const std::vector<const Record*>& records, const std::string& name,
                 const Pick& pick, Report& report) {
  const MetricInfo info = metric_info(name);
  Cell cell;
  const auto values = readings(records, [&](const Record& record) {
    const Metric* metric = pick(record);
    return metric ? metric->value : std::nullopt;
  });
  for (const Record* record : records) cell.records.push_back(record->id);
  if (values.empty()) {
    if (const std::string reason = reason_of(records, pick); !reason.empty())
      cell.notes.push_back(footnote(report, name + ": " + reason));
    return cell;
  }
  for (const Record* record : records)
    if (const Metric* metric = pick(*record); metric && !metric->value && !metric->note.empty()) {
      const size_t note = footnote(report, "left out of the mean: " + metric->note);
      if (std::find(cell.notes.begin(), cell.notes.end(), note) == cell.notes.end())
        cell.notes.push_back(note);
    }
  cell.value = mean_of(values);
  cell.text = metric_text(info, *cell.value);
  if (values.size() < 2) return cell;
  const double spread = error_over_seeds(values) * std::sqrt(static_cast<double>(values.size()));
  std::string text = metric_text(info, spread);
  if (text.starts_with('+')) text.erase(0, 1);
  cell.deviation = spread;
  if (text.find_first_of("123456789") != std::string::npos) cell.text += " ± " + text;
  return cell;
}

Cell metric_cell(const VariantData& variant, const std::string& name, Report& report) {
  return metric_cell(
      variant.good(), name, [&](const Record& record) { return record.find_headline(name); },
      report);
}

Cell estimate_cell(const Estimate& estimate, int digits, std::vector<std::string> records) {
  Cell cell;
  cell.value = estimate.value;
  cell.text = fixed(estimate.value, digits);
  if (estimate.interval) {
    cell.low = estimate.interval->low;
    cell.high = estimate.interval->high;
    cell.text += " " + interval_text(*estimate.interval, digits);
  }
  cell.records = std::move(records);
  return cell;
}

void move_constant_columns(Table& table) {
  if (table.rows.size() < 2) return;
  for (size_t c = 0; c < table.columns.size();) {
    const Cell& first = table.rows.front().cells[c];
    const bool alike =
        first.text != "–" && std::all_of(table.rows.begin(), table.rows.end(), [&](const Row& row) {
          const Cell& cell = row.cells[c];
          return cell.text == first.text && cell.notes.empty() && !cell.strong;
        });
    if (!alike) {
      ++c;
      continue;
    }
    Cell all = first;
    all.records.clear();
    for (Row& row : table.rows) {
      const auto& ids = row.cells[c].records;
      if (row.cells[c].value != all.value)
        all.value.reset();  // alike as shown, not to the last digit
      all.records.insert(all.records.end(), ids.begin(), ids.end());
      row.cells.erase(row.cells.begin() + static_cast<std::ptrdiff_t>(c));
    }
    table.same.emplace_back(table.columns[c], all);
    table.columns.erase(table.columns.begin() + static_cast<std::ptrdiff_t>(c));
  }
}

}  // namespace sublab
