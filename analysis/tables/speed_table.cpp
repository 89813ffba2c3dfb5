// Speed-ups with intervals, and whether they stand out of the noise floor.
#include "analysis/tables/speed_table.h"

#include "analysis/study/held_down.h"
#include "analysis/study/utilisation.h"
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

Cell bytes_cell(double bytes, const std::string& trial) {
  return {megabytes(bytes), bytes, {}, {}, false, {}, {trial}};
}

/// A table under way: the measurement, and which of the columns that not every file has it has.
struct SpeedTable {
  const BenchFile& bench;
  const BenchMeasurement& measurement;
  const BenchSeries* reference;  ///< null where it did not run
  Estimate noise;
  std::optional<Ceiling> ceiling;  ///< of the column `of the limit`
  bool weighted, on_device;
};

SpeedTable speed_table(const BenchFile& bench, const BenchMeasurement& measurement) {
  const BenchSeries* reference = measurement.find(bench.compare_to);
  SpeedTable out{bench,     measurement,
                 reference, noise_floor(measurement, bench.compare_to),
                 {},        reference && reference->ideal_speedup_weighted,
                 false};
  constexpr int64_t kFirstWithIt = 3;  // reports of older files stay what they were
  if (bench.schema >= kFirstWithIt) out.ceiling = ceiling_of(bench, measurement);
  for (const BenchSeries& series : measurement.series)
    out.on_device = out.on_device || series.peak_reserved_bytes;
  return out;
}

Cell limit_cell(const SpeedTable& table, const BenchSeries& series) {
  Cell cell;
  const auto shares = utilisation_of(table.bench, table.measurement, series);
  if (shares.empty()) return cell;
  cell.value = median(shares);
  cell.text = fixed(100 * *cell.value, 1) + " %";
  cell.records.push_back(series.trial);
  return cell;
}

/// Cells in the order of speed_columns.
Row speed_row(const SpeedTable& table, const BenchSeries& series, Report& report) {
  Row row{series.variant, std::vector<Cell>(5)};
  const BenchSeries* reference = table.reference;
  const double rate = series.tokens_per_round / median(series.seconds);
  row.cells[0] = {si_text(rate), rate, {}, {}, false, {}, {series.trial}};
  if (const std::string trouble = held_down(table.measurement.card); !trouble.empty())
    row.cells[0].notes.push_back(footnote(report, trouble));
  const bool compared = reference && &series != reference;
  if (compared) {
    const SpeedCells cells = speed_cells(series, *reference, table.noise, report);
    row.cells[1] = cells.speed_up;
    row.cells[2] = cells.verdict;
    row.cells[3] = ratio_cell(series.ideal_speedup, series.trial);
    row.cells[4] = ratio_cell(*cells.speed_up.value / series.ideal_speedup, series.trial);
  }
  if (table.weighted)
    row.cells.push_back(compared && series.ideal_speedup_weighted
                            ? ratio_cell(*series.ideal_speedup_weighted, series.trial)
                            : Cell{});
  if (table.ceiling) row.cells.push_back(limit_cell(table, series));
  row.cells.push_back(kept_cell(series, report));
  row.cells.push_back(bytes_cell(series.peak_memory_bytes, series.trial));
  if (table.on_device) {
    row.cells.push_back(bytes_cell(series.peak_reserved_bytes.value_or(0), series.trial));
    row.cells.push_back(bytes_cell(series.driver_used_bytes.value_or(0), series.trial));
  }
  return row;
}

std::string limit_help(const SpeedTable& table) {
  const bool decodes = table.measurement.mode == "decode";
  return decodes
             ? "bytes of the ledger per second, of the " + si_text(table.ceiling->per_s) +
                   "B/s that a long read reached in this run"
             : "FLOPs of the ledger (causal) per second, of the " + si_text(table.ceiling->per_s) +
                   "FLOP/s that a matrix product (" + table.ceiling->of + ") reached in this run";
}

std::vector<Column> speed_columns(const SpeedTable& table) {
  const std::string& reference = table.bench.compare_to;
  std::vector<Column> out = {
      {"tokens/s", "median of the rounds"},
      {"speed-up", "median of paired rounds against " + reference + ", with 95 % interval"},
      {"verdict", "against the noise floor of " + reference + " against itself"},
      {"ideal", table.measurement.mode == "decode"
                    ? "ratio of ledger bytes at the realised kept counts"
                    : "ratio of ledger FLOPs at the realised kept counts"},
      {"realised", "speed-up / ideal"}};
  if (table.weighted)
    out.push_back({"ideal weighted",
                   "the same with every line of the ledger as the time that the measured matmul "
                   "rate and read bandwidth allow it, whichever is longer"});
  if (table.ceiling) out.push_back({"of the limit", limit_help(table)});
  out.push_back({"kept", "realised, per module"});
  out.push_back({"memory", memory_help(table.bench)});
  if (table.on_device) {
    out.push_back({"reserved", "what the caching allocator held of the card at the peak"});
    out.push_back({"card",
                   "what the driver says was taken of the card, by the processes of all "
                   "variants together"});
  }
  return out;
}

std::string condition_text(const BenchMeasurement& measurement) {
  return measurement.mode + ", context " + std::to_string(measurement.context) + ", batch " +
         std::to_string(measurement.batch);
}

/// What the reader must know of how the processes shared the card.
std::string sharing_text(const BenchMeasurement& measurement) {
  std::string out;
  if (measurement.gives_memory_back)
    out =
        "The variants do not fit on the card beside each other at their peaks: each gave its "
        "free memory back after a round, and began the next with a pass that is not timed. ";
  if (measurement.reference_shares_process)
    out +=
        "Both series of the reference come from one process, so that the noise floor lacks what "
        "two processes differ by. ";
  return out;
}

void add_noise_floor(const SpeedTable& table, Report& report) {
  const std::string floor = "Noise floor, " + condition_text(table.measurement) + ": ";
  const std::string& name = table.bench.compare_to;
  if (!table.reference) {
    report.findings.push_back(floor + "not measured, " + name + " is out of memory.");
    return;
  }
  report.findings.push_back(table.noise.clusters > 0
                                ? floor + name + " against itself ran at " +
                                      estimate_cell(table.noise, 3, {}).text + " over " +
                                      std::to_string(table.reference->seconds.size()) + " rounds."
                                : floor + "not measured, " + name + " ran once.");
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

Cell out_of_memory_cell(const BenchMeasurement& measurement, const std::string& variant,
                        Report& report) {
  Cell cell;
  const BenchSeries* series = measurement.out_of_memory(variant);
  if (!series) return cell;
  cell.text = "out of memory";
  const std::string needs = series->ledger_memory_bytes
                                ? " (" + megabytes(*series->ledger_memory_bytes) + " by the ledger)"
                                : "";
  cell.notes.push_back(footnote(
      report, variant + ", " + condition_text(measurement) + needs + ": " + series->detail));
  return cell;
}

void add_speed_tables(const BenchFile& bench, Report& report) {
  for (const BenchMeasurement& measurement : bench.measurements) {
    const SpeedTable about = speed_table(bench, measurement);
    if (!about.reference && !measurement.out_of_memory(bench.compare_to)) continue;
    Table table{"Speed: " + condition_text(measurement) +
                    (measurement.dtype.empty() ? "" : ", " + measurement.dtype),
                speed_columns(about),
                {}};
    for (const BenchSeries& series : measurement.series) {
      if (series.repeat_of_reference == 1) continue;
      if (series.ran()) {
        table.rows.push_back(speed_row(about, series, report));
        continue;
      }
      table.rows.push_back({series.variant, std::vector<Cell>(table.columns.size())});
      table.rows.back().cells[0] = out_of_memory_cell(measurement, series.variant, report);
    }
    table.caption = sharing_text(measurement);
    report.tables.push_back(table);
    add_noise_floor(about, report);
  }
  add_latency_tables(bench, report);
  add_batch_tables(bench, report);
}

}  // namespace sublab
