// Speed-ups with intervals, and whether they stand out of the noise floor.
#include "analysis/tables/speed_table.h"

#include "analysis/tables/cells.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

Cell ratio_cell(double value, const std::string& trial) {
  return {fixed(value, 3), value, {}, {}, false, {}, {trial}};
}

Cell kept_cell(const BenchSeries& series, Report& report) {
  Cell cell;
  if (series.kept_fraction.empty()) return cell;
  std::vector<std::string> kept;
  for (const double fraction : series.kept_fraction) kept.push_back(fixed(fraction, 2));
  cell.text = join(kept, " / ");
  if (series.assumed_keeps)
    cell.notes.push_back(
        footnote(report, "assumed: no checkpoint, keeps were forced at the configured rate"));
  return cell;
}

/// Cells in the order of add_speed_tables; `weighted`: with the column of that name.
Row speed_row(const BenchSeries& series, const BenchSeries& reference, const Estimate& noise,
              bool weighted, Report& report) {
  Row row{series.variant, std::vector<Cell>(5)};
  const double rate = series.tokens_per_round / median(series.seconds);
  row.cells[0] = {si_text(rate), rate, {}, {}, false, {}, {series.trial}};
  if (&series != &reference) {
    const SpeedCells cells = speed_cells(series, reference, noise, report);
    row.cells[1] = cells.speed_up;
    row.cells[2] = cells.verdict;
    row.cells[3] = ratio_cell(series.ideal_speedup, series.trial);
    row.cells[4] = ratio_cell(*cells.speed_up.value / series.ideal_speedup, series.trial);
  }
  if (weighted)
    row.cells.push_back(&series != &reference && series.ideal_speedup_weighted
                            ? ratio_cell(*series.ideal_speedup_weighted, series.trial)
                            : Cell{});
  row.cells.push_back(kept_cell(series, report));
  row.cells.push_back({megabytes(series.peak_memory_bytes),
                       series.peak_memory_bytes,
                       {},
                       {},
                       false,
                       {},
                       {series.trial}});
  return row;
}

std::vector<Column> speed_columns(const std::string& mode, const BenchFile& bench, bool weighted) {
  const std::string& reference = bench.compare_to;
  std::vector<Column> out = {
      {"tokens/s", "median of the rounds"},
      {"speed-up", "median of paired rounds against " + reference + ", with 95 % interval"},
      {"verdict", "against the noise floor of " + reference + " against itself"},
      {"ideal", mode == "decode" ? "ratio of ledger bytes at the realised kept counts"
                                 : "ratio of ledger FLOPs at the realised kept counts"},
      {"realised", "speed-up / ideal"}};
  if (weighted)
    out.push_back({"ideal weighted",
                   "the same with every line of the ledger as the time that the measured matmul "
                   "rate and read bandwidth allow it, whichever is longer"});
  out.push_back({"kept", "realised, per module"});
  out.push_back({"memory", memory_help(bench)});
  return out;
}

}  // namespace

const char* memory_help(const BenchFile& bench) {
  return bench.schema == 1 ? "peak resident set above the loaded model"
                           : "bytes of tensors at the peak, weights included";
}

SpeedCells speed_cells(const BenchSeries& series, const BenchSeries& reference,
                       const Estimate& noise, Report& report) {
  const Estimate ratio = speed_ratio(reference.seconds, series.seconds);
  const auto [verdict, reason] = speed_verdict(ratio, noise);
  SpeedCells out{estimate_cell(ratio, 3, {series.trial, reference.trial}), {}};
  if (ratio.interval)
    out.speed_up.text = fixed(ratio.value, 3) + " " + interval_text(*ratio.interval, 2);
  out.speed_up.strong = out.verdict.strong = verdict == "faster" || verdict == "slower";
  out.verdict.text = verdict;
  out.verdict.records = out.speed_up.records;
  if (!reason.empty()) out.verdict.notes.push_back(footnote(report, "unclear: " + reason));
  if (verdict == "same" && !ratio.interval->contains(1))
    out.verdict.notes.push_back(
        footnote(report, "same: inside what " + reference.variant + " differs from itself by"));
  return out;
}

Estimate noise_floor(const BenchMeasurement& measurement, const std::string& reference) {
  const BenchSeries *first = measurement.find(reference),
                    *again = measurement.find(reference, true);
  return first && again ? speed_ratio(first->seconds, again->seconds) : Estimate{1, {}, 0, ""};
}

void add_speed_tables(const BenchFile& bench, Report& report) {
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchSeries* reference = measurement.find(bench.compare_to);
    if (!reference) continue;
    const Estimate noise = noise_floor(measurement, bench.compare_to);
    const bool weighted = reference->ideal_speedup_weighted.has_value();
    Table table{"Speed: " + measurement.mode + ", context " + std::to_string(measurement.context) +
                    ", batch " + std::to_string(measurement.batch) + ", " + measurement.dtype,
                speed_columns(measurement.mode, bench, weighted),
                {}};
    for (const BenchSeries& series : measurement.series)
      if (series.repeat_of_reference == 0)
        table.rows.push_back(speed_row(series, *reference, noise, weighted, report));
    report.tables.push_back(table);
    const std::string floor = "Noise floor, " + measurement.mode + ", context " +
                              std::to_string(measurement.context) + ", batch " +
                              std::to_string(measurement.batch) + ": ";
    report.findings.push_back(noise.clusters > 0
                                  ? floor + bench.compare_to + " against itself ran at " +
                                        estimate_cell(noise, 3, {}).text + " over " +
                                        std::to_string(reference->seconds.size()) + " rounds."
                                  : floor + "not measured, " + bench.compare_to + " ran once.");
  }
  add_latency_tables(bench, report);
  add_batch_tables(bench, report);
}

}  // namespace sublab
