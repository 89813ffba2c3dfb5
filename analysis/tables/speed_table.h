// The tables of a report that come from the speed measurement.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Speed-up of a series against the reference with its interval, and the verdict. `noise`: the
/// reference against itself; without an interval where it ran once.
struct SpeedCells {
  Cell speed_up, verdict;
};
SpeedCells speed_cells(const BenchSeries& series, const BenchSeries& reference,
                       const Estimate& noise, Report& report);
/// The reference of a measurement against itself.
Estimate noise_floor(const BenchMeasurement& measurement, const std::string& reference);

/// One table per measurement: tokens/s, speed-up with interval and verdict, ideal, realised; then
/// those of latency and of the largest batches.
void add_speed_tables(const BenchFile& bench, Report& report);
/// What stands where a variant ran out of memory: that, and a footnote with what was asked for.
Cell out_of_memory_cell(const BenchMeasurement& measurement, const std::string& variant,
                        Report& report);
/// What a file's memory counts.
const char* memory_help(const BenchFile& bench);
/// One table per context and batch: time to the first token, per token, cache.
void add_latency_tables(const BenchFile& bench, Report& report);
/// One table per mode: how many rows fit the memory budget.
void add_batch_tables(const BenchFile& bench, Report& report);

}  // namespace sublab
