// How long a user waits, and how many rows fit, from the speed measurement.
#include <algorithm>

#include "analysis/tables/speed_table.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

/// Median of the rounds, or "–" where there are none.
Cell median_ms(const std::vector<double>& rounds, const std::string& trial) {
  Cell cell;
  if (rounds.empty()) return cell;
  cell.value = median(rounds);
  cell.text = significant(*cell.value, 3);
  cell.records.push_back(trial);
  return cell;
}

Row latency_row(const std::string& variant, const BenchSeries* prefill, const BenchSeries* decode) {
  const BenchSeries& first = prefill ? *prefill : *decode;
  Row row{variant, {median_ms(first.time_to_first_token_ms, first.trial)}};
  row.cells.resize(4);
  if (!decode) return row;
  row.cells[1] = median_ms(decode->token_latency_ms, decode->trial);
  row.cells[2] = median_ms(decode->token_latency_ms_p95, decode->trial);
  row.cells[3].value = decode->kv_cache_bytes;
  row.cells[3].text = megabytes(decode->kv_cache_bytes);
  row.cells[3].records.push_back(decode->trial);
  return row;
}

Cell batch_cell(const LargestBatch& found, Report& report) {
  Cell cell;
  cell.value = static_cast<double>(found.batch);
  cell.records.push_back(found.trial);
  if (found.batch == 0) {
    cell.text = "0";
    cell.notes.push_back(footnote(report, "not even one row fits"));
    return cell;
  }
  cell.text = std::to_string(found.batch) + " (" + megabytes(found.peak_bytes) + ")";
  if (found.at_limit) cell.notes.push_back(footnote(report, "larger batches were not tried"));
  if (found.assumed_keeps)
    cell.notes.push_back(
        footnote(report, "assumed: no checkpoint, keeps were forced at the configured rate"));
  return cell;
}

template <class T>
void add_once(std::vector<T>& values, const T& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

}  // namespace

void add_latency_tables(const BenchFile& bench, Report& report) {
  const auto find = [&](const char* mode, const BenchMeasurement& like) {
    const auto at = std::find_if(
        bench.measurements.begin(), bench.measurements.end(), [&](const BenchMeasurement& m) {
          return m.mode == mode && m.context == like.context && m.batch == like.batch;
        });
    return at == bench.measurements.end() ? nullptr : &*at;
  };
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchMeasurement *prefill = find("prefill", measurement),
                           *decode = find("decode", measurement);
    // Once per context and batch, where the first of the two stands.
    if (&measurement != std::min(prefill ? prefill : decode, decode ? decode : prefill)) continue;
    Table table{"Latency: context " + std::to_string(measurement.context) + ", batch " +
                    std::to_string(measurement.batch),
                {{"first token, ms",
                  "from the prompt to the logits of the first new token; median "
                  "of the rounds, as in all columns of this table"},
                 {"token, ms", "median step of a round"},
                 {"token p95, ms", "95th percentile of a round's steps"},
                 {"cache", "keys and values of all rows after the last token"}},
                {}};
    bool measured = false;
    for (const BenchSeries& series : measurement.series) {
      if (!series.ran() || series.repeat_of_reference == 1) continue;
      const auto of = [&](const BenchMeasurement* mode) {
        return mode ? mode->find(series.variant) : nullptr;
      };
      if (!of(prefill) && !of(decode)) continue;
      table.rows.push_back(latency_row(series.variant, of(prefill), of(decode)));
      measured = measured || table.rows.back().cells[0].value;
    }
    if (measured) report.tables.push_back(table);
  }
}

void add_batch_tables(const BenchFile& bench, Report& report) {
  std::vector<std::string> modes;
  for (const LargestBatch& found : bench.largest_batches) add_once(modes, found.mode);
  for (const std::string& mode : modes) {
    std::vector<int64_t> contexts;
    std::vector<std::string> variants;
    for (const LargestBatch& found : bench.largest_batches)
      if (found.mode == mode) {
        add_once(contexts, found.context);
        add_once(variants, found.variant);
      }
    Table table{
        "Largest batch within " + megabytes(bench.memory_budget_bytes) + ": " + mode, {}, {}};
    for (const int64_t context : contexts)
      table.columns.push_back(
          {"context " + std::to_string(context),
           "rows that fit, and what was measured with them: " + std::string(memory_help(bench))});
    for (const std::string& variant : variants)
      table.rows.push_back({variant, std::vector<Cell>(contexts.size())});
    for (const LargestBatch& found : bench.largest_batches) {
      if (found.mode != mode) continue;
      const auto row = std::find(variants.begin(), variants.end(), found.variant);
      const auto column = std::find(contexts.begin(), contexts.end(), found.context);
      table.rows[row - variants.begin()].cells[column - contexts.begin()] =
          batch_cell(found, report);
    }
    report.tables.push_back(table);
  }
}

}  // namespace sublab
