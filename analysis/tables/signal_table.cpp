// Which of a study's tasks tell its variants apart at this size, and which tell nothing.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/study/signal.h"
#include "analysis/study/slots.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

constexpr double kLevel = 0.05;

/// Values by variant and seed of the seeds that all variants have which have any, and their
/// records.
struct Layout {
  std::vector<std::vector<double>> values;
  std::vector<std::string> records;
};

Layout layout_of(const StudyData& data, const Slot& slot, const EvaluationOf& of) {
  std::vector<std::map<int64_t, std::pair<double, std::string>>> found;
  for (const VariantData& variant : data.variants) {
    std::map<int64_t, std::pair<double, std::string>> own;
    for (const Record& record : variant.records) {
      if (data.unlike.refused.contains(record.id) && metric_info(slot.name).of_text) continue;
      const std::string evaluation = of(record);
      const Metric* metric = evaluation.empty() ? nullptr : slot.of(record, evaluation);
      if (record.outcome == "ok" && metric && metric->value)
        own[record.seed] = {*metric->value, record.id};
    }
    if (!own.empty()) found.push_back(std::move(own));
  }
  Layout out;
  std::set<int64_t> seeds;
  for (const auto& [seed, value] : found.empty() ? decltype(found)::value_type{} : found.front())
    seeds.insert(seed);
  for (const auto& own : found)
    std::erase_if(seeds, [&](int64_t seed) { return !own.contains(seed); });
  for (const auto& own : found) {
    out.values.emplace_back();
    for (const int64_t seed : seeds) {
      out.values.back().push_back(own.at(seed).first);
      out.records.push_back(own.at(seed).second);
    }
  }
  if (seeds.size() < 2 || found.size() < 2) return {};
  return out;
}

/// Whether losses stand on enough documents for statistics.
bool has_intervals(const StudyData& data) {
  return std::all_of(data.variants.begin(), data.variants.end(), [](const VariantData& variant) {
    return variant.good().empty() || variant_loss(variant).interval;
  });
}

constexpr size_t kLastPointsColumn = 4;

/// Takes a column out that holds nothing.
void drop_if_empty(Table& table, size_t column) {
  const auto at = static_cast<std::ptrdiff_t>(column);
  const auto is_empty = [&](const Row& row) { return row.cells[column].records.empty(); };
  if (!std::all_of(table.rows.begin(), table.rows.end(), is_empty)) return;
  for (Row& row : table.rows) row.cells.erase(row.cells.begin() + at);
  table.columns.erase(table.columns.begin() + at);
}

/// Root mean square, over all records, of how far a result wanders over the last points of
/// training; empty where none was asked.
Cell last_points(const StudyData& data, const Slot& slot, const EvaluationOf& of) {
  Cell cell;
  double squares = 0;
  for (const VariantData& variant : data.variants)
    for (const Record& record : variant.records)
      for (const Metric& metric : record.metrics) {
        if (metric.name != metric::kLastPointsSpread || metric.evaluation != of(record)) continue;
        if (metric.conditions.value(condition::kSpreadOf, "") != slot.name || !metric.value)
          continue;
        squares += *metric.value * *metric.value;
        cell.records.push_back(record.id);
      }
  if (cell.records.empty()) return cell;
  cell.value = std::sqrt(squares / static_cast<double>(cell.records.size()));
  cell.text = significant(*cell.value, 3);
  return cell;
}

Row row_of(const std::string& name, const Layout& layout, const Cell& last_points) {
  const Signal signal = signal_of(layout.values);
  const auto number = [&](double value, int digits) {
    Cell cell;
    cell.value = value;
    cell.text = significant(value, digits);
    cell.records = layout.records;
    return cell;
  };
  Cell says;
  says.text = signal.p < kLevel ? "tells variants apart" : "tells nothing here";
  says.records = layout.records;
  return {name,
          {number(signal.between, 3), number(signal.noise, 3), number(signal.ratio(), 3),
           number(signal.p, 2), last_points, says}};
}

}  // namespace

void add_signal_table(const StudyData& data, Report& report) {
  Table table{"What each task tells",
              {{"between variants", "standard deviation of the variants' means over seeds"},
               {"noise",
                "standard error of such a mean, by what seeds leave unexplained: an effect "
                "that a seed has on all variants is none"},
               {"signal / noise", "spread of the variants without the noise in it, over the noise"},
               {"p", "of no difference between any two variants (F test of the two-way layout)"},
               {"last points",
                "standard deviation of one trial's result over the last points of its training"},
               {"says", "p below 0.05, without correction"}},
              {}};
  for (const Asked& asked : asked_of(data))
    for (const Slot& slot : slots_of(shown_records(data), asked.of)) {
      const bool is_loss = slot.name == metric::kLossNats && has_intervals(data);
      if (!is_loss && !metric::is_accuracy(slot.name)) continue;
      const Layout layout = layout_of(data, slot, asked.of);
      if (!layout.values.empty())
        table.rows.push_back(
            row_of(asked.title(slot.heading), layout, last_points(data, slot, asked.of)));
    }
  drop_if_empty(table, kLastPointsColumn);
  if (!table.rows.empty()) report.tables.push_back(table);
}

}  // namespace sublab
