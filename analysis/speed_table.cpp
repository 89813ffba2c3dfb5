#include "analysis/speed_table.h"

#include <algorithm>
#include <cmath>

#include "analysis/format.h"
#include "core/npy.h"

namespace sublab {
namespace {

const BenchSeries* reference_of(const BenchMeasurement& measurement, const std::string& name,
                                bool repeat) {
  for (const BenchSeries& series : measurement.series)
    if (series.variant == name && (series.repeat_of_reference == 1) == repeat) return &series;
  return nullptr;
}

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
    const Estimate ratio = speed_ratio(reference.seconds, series.seconds);
    const auto [verdict, reason] = speed_verdict(ratio, noise);
    const bool clear = verdict == "faster" || verdict == "slower";
    row.cells[1] = {fixed(ratio.value, 3) + " " + interval_text(ratio.interval, 2),
                    ratio.value,
                    ratio.interval.low,
                    ratio.interval.high,
                    clear,
                    {},
                    {series.trial, reference.trial}};
    row.cells[2].text = verdict;
    row.cells[2].strong = clear;
    row.cells[2].records = row.cells[1].records;
    if (!reason.empty()) row.cells[2].notes.push_back(footnote(report, "unclear: " + reason));
    row.cells[3] = ratio_cell(series.ideal_speedup, series.trial);
    row.cells[4] = ratio_cell(ratio.value / series.ideal_speedup, series.trial);
  }
  if (weighted)
    row.cells.push_back(&series != &reference && series.ideal_speedup_weighted
                            ? ratio_cell(*series.ideal_speedup_weighted, series.trial)
                            : Cell{});
  row.cells.push_back(kept_cell(series, report));
  row.cells.push_back({fixed(series.peak_memory_bytes / 1e6, 0) + " MB",
                       series.peak_memory_bytes,
                       {},
                       {},
                       false,
                       {},
                       {series.trial}});
  return row;
}

std::vector<Column> speed_columns(const std::string& mode, const std::string& reference,
                                  bool weighted) {
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
  out.push_back({"memory", "peak resident set above the loaded model"});
  return out;
}

}  // namespace

void add_speed_tables(const BenchFile& bench, Report& report) {
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchSeries* reference = reference_of(measurement, bench.compare_to, false);
    const BenchSeries* again = reference_of(measurement, bench.compare_to, true);
    if (!reference) continue;
    const Estimate noise =
        again ? speed_ratio(reference->seconds, again->seconds) : Estimate{1, {1, 1}, 0, true};
    const bool weighted = reference->ideal_speedup_weighted.has_value();
    Table table{"Speed: " + measurement.mode + ", context " + std::to_string(measurement.context) +
                    ", batch " + std::to_string(measurement.batch) + ", " + measurement.dtype,
                speed_columns(measurement.mode, bench.compare_to, weighted),
                {}};
    for (const BenchSeries& series : measurement.series)
      if (series.repeat_of_reference == 0)
        table.rows.push_back(speed_row(series, *reference, noise, weighted, report));
    report.tables.push_back(table);
    report.findings.push_back("Noise floor, " + measurement.mode + ": " + bench.compare_to +
                              " against itself ran at " + fixed(noise.value, 3) + " " +
                              interval_text(noise.interval, 3) + " over " +
                              std::to_string(reference->seconds.size()) + " rounds.");
  }
  add_latency_tables(bench, report);
  add_batch_tables(bench, report);
}

void add_bench_report(const fs::path& study_folder, Report& report) {
  const auto bench = read_bench(study_folder);
  if (!bench) throw UserError(study_folder.string(), "has no speed measurement");
  report.study = read_plan(study_folder).study;
  add_speed_tables(*bench, report);
  finish_tables(report);
}

void add_speed_figure(const BenchFile& bench, Report& report) {
  Figure figure{"Speed-up against what the ledger allows",
                "ideal speed-up",
                "measured speed-up",
                {},
                true,
                true};
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchSeries* reference = reference_of(measurement, bench.compare_to, false);
    if (!reference) continue;
    Figure::Line line{measurement.mode, {}, {}};
    for (const BenchSeries& series : measurement.series) {
      if (&series == reference || series.repeat_of_reference == 1) continue;
      line.x.push_back(series.ideal_speedup);
      line.y.push_back(speed_ratio(reference->seconds, series.seconds).value);
    }
    if (!line.x.empty()) figure.lines.push_back(line);
  }
  if (!figure.lines.empty()) report.figures.push_back(figure);
}

void add_loss_curves(const StudyData& data, Report& report) {
  constexpr size_t kPoints = 60;
  Figure figure{"Training loss", "tokens", "nats per token (mean of neighbouring steps)", {},
                false,           false};
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty()) continue;
    const fs::path path = data.folder / "arrays" / good.front()->id / "loss_curve.npy";
    if (!fs::exists(path)) continue;
    const auto values = read_npy(path).as_doubles();
    const size_t n = values.size() / 2, width = std::max<size_t>(1, n / kPoints);
    Figure::Line line{variant.name, {}, {}};
    for (size_t begin = 0; begin + width <= n; begin += width) {
      double loss = 0;
      for (size_t i = begin; i < begin + width; ++i) loss += values[2 * i + 1];
      line.x.push_back(values[2 * (begin + width - 1)]);
      line.y.push_back(loss / static_cast<double>(width));
    }
    figure.lines.push_back(line);
  }
  if (!figure.lines.empty()) report.figures.push_back(figure);
}

void add_position_figure(const StudyData& data, Report& report) {
  Figure figure{
      "Validation loss by position in the window", "position", "nats per token", {}, false, false};
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty()) continue;
    const fs::path path = data.folder / "arrays" / good.front()->id / "perplexity.positions.npy";
    if (!fs::exists(path)) continue;
    const auto values = read_npy(path).as_doubles();
    Figure::Line line{variant.name, {}, {}};
    for (size_t b = 0; 3 * b + 2 < values.size(); ++b)
      if (values[3 * b + 2] > 0) {
        line.x.push_back(values[3 * b]);
        line.y.push_back(values[3 * b + 1] / values[3 * b + 2]);
      }
    if (!line.x.empty()) figure.lines.push_back(line);
  }
  if (!figure.lines.empty()) report.figures.push_back(figure);
}

}  // namespace sublab
