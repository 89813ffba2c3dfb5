// What dropping tokens costs in loss and gains in speed, side by side.
#include <algorithm>

#include "analysis/tables/speed_table.h"
#include "analysis/tables/tables.h"

namespace sublab {
namespace {

/// Per mode the measurement at its longest context, the first of them at its smallest batch.
std::vector<const BenchMeasurement*> longest_of_each_mode(const BenchFile& bench) {
  std::vector<const BenchMeasurement*> out;
  for (const BenchMeasurement& measurement : bench.measurements) {
    if (!measurement.find(bench.compare_to)) continue;
    const auto known = std::find_if(out.begin(), out.end(), [&](const BenchMeasurement* other) {
      return other->mode == measurement.mode;
    });
    const auto rank = [](const BenchMeasurement& m) { return std::pair(m.context, -m.batch); };
    if (known == out.end())
      out.push_back(&measurement);
    else if (rank(measurement) > rank(**known))
      *known = &measurement;
  }
  return out;
}

Cell speed_up_cell(const BenchMeasurement& measurement, const std::string& variant,
                   const std::string& reference, Report& report) {
  const BenchSeries *own = measurement.find(variant), *other = measurement.find(reference);
  if (measurement.out_of_memory(variant)) return out_of_memory_cell(measurement, variant, report);
  if (!own || own == other) return {};
  return speed_cells(*own, *other, noise_floor(measurement, reference), report).speed_up;
}

}  // namespace

void add_overview_table(const StudyData& data, Report& report) {
  if (!data.bench) return;
  const auto quality =
      std::find_if(report.tables.begin(), report.tables.end(),
                   [](const Table& table) { return table.title == kQualityTitle; });
  const auto measurements = longest_of_each_mode(*data.bench);
  if (quality == report.tables.end() || measurements.empty()) return;
  Table table{"Loss and speed", {}, {}};
  table.caption =
      "A speed-up that is not bold is not told from 1: the tables of speed have its verdict, and "
      "why. ";
  std::vector<size_t> taken;
  for (size_t c = 0; c < quality->columns.size(); ++c) {
    const std::string& name = quality->columns[c].name;
    if (name == "loss" || name == "verdict" || name == "minus " + data.plan.compare_to ||
        name.starts_with("kept "))
      taken.push_back(c);
  }
  for (const size_t c : taken) table.columns.push_back(quality->columns[c]);
  for (const BenchMeasurement* each : measurements)
    table.columns.push_back(
        {each->mode + " speed-up", "times as fast as " + data.bench->compare_to + " at context " +
                                       std::to_string(each->context) + ", batch " +
                                       std::to_string(each->batch) + ", with 95 % interval"});
  for (const Row& row : quality->rows) {
    Row out{row.variant, {}};
    for (const size_t c : taken) out.cells.push_back(row.cells[c]);
    for (const BenchMeasurement* each : measurements)
      out.cells.push_back(speed_up_cell(*each, row.variant, data.bench->compare_to, report));
    table.rows.push_back(out);
  }
  report.tables.insert(report.tables.begin(), table);
}

}  // namespace sublab
