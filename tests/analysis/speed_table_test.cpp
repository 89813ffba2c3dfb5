// Speed-ups and their verdicts from rounds of known times.
#include "analysis/tables/speed_table.h"

#include <catch2/catch.hpp>

using namespace sublab;

namespace {

BenchSeries series(const std::string& variant, double seconds) {
  BenchSeries out;
  out.variant = variant;
  out.trial = "id-" + variant;
  out.tokens_per_round = 100;
  out.seconds = std::vector<double>(9, seconds);
  return out;
}

BenchFile bench() {
  BenchFile out;
  out.compare_to = "llama";
  for (const char* mode : {"train", "prefill", "decode"}) {
    BenchMeasurement measurement{mode, 64, 2, "float32", {series("llama", 2), series("sub", 1)}};
    out.measurements.push_back(measurement);
  }
  return out;
}

const Table* table_of(const Report& report, const std::string& title) {
  for (const Table& table : report.tables)
    if (table.title.starts_with(title)) return &table;
  return nullptr;
}

}  // namespace

TEST_CASE("a measurement without latency and calibration prints as it did", "[unit]") {
  Report report;
  add_speed_tables(bench(), report);
  CHECK(report.tables.size() == 3);
  for (const Table& table : report.tables) {
    CHECK(table.columns.size() == 7);
    for (const Row& row : table.rows) CHECK(row.cells.size() == 7);
  }
}

TEST_CASE("the weighted ideal stands beside the ideal", "[unit]") {
  BenchFile file = bench();
  for (BenchSeries& one : file.measurements[0].series) one.ideal_speedup_weighted = 1.25;
  Report report;
  add_speed_tables(file, report);
  const Table& table = report.tables.front();
  REQUIRE(table.columns.size() == 8);
  CHECK(table.columns[5].name == "ideal weighted");
  CHECK(table.rows[0].cells[5].text == "–");
  CHECK(table.rows[1].cells[5].text == "1.250");
  CHECK(report.tables[1].columns.size() == 7);
}

TEST_CASE("latency stands in one table per context and batch", "[unit]") {
  BenchFile file = bench();
  for (BenchSeries& one : file.measurements[1].series) one.time_to_first_token_ms = {5, 3, 4};
  for (BenchSeries& one : file.measurements[2].series) {
    one.time_to_first_token_ms = {50};
    one.token_latency_ms = {1, 2, 9};
    one.token_latency_ms_p95 = {3, 3, 3};
    one.kv_cache_bytes = 2.5e6;
  }
  const auto cells = [&] {
    Report report;
    add_speed_tables(file, report);
    CHECK(report.tables.size() == 4);
    const Table* table = table_of(report, "Latency: context 64, batch 2");
    REQUIRE(table);
    std::vector<std::string> out;
    for (const Cell& cell : table->rows.at(1).cells) out.push_back(cell.text);
    return out;
  };
  CHECK(cells() == std::vector<std::string>{"4", "2", "3", "2.50 MB"});
  file.measurements.erase(file.measurements.begin() + 1);  // decode alone reads prompts, too
  file.measurements.push_back({"decode", 64, 8, "float32", {}});
  file.measurements.back().series = {series("llama", 1)};
  Report report;
  add_latency_tables(file, report);
  CHECK(report.tables.size() == 1);
  CHECK(report.tables[0].rows[0].cells[0].text == "50");
}

TEST_CASE("largest batches stand in one table per mode", "[unit]") {
  BenchFile file = bench();
  file.memory_budget_bytes = 5e8;
  const auto add = [&](const char* variant, int64_t context, int64_t batch, bool at_limit) {
    LargestBatch found;
    found.variant = variant;
    found.mode = "train";
    found.context = context;
    found.batch = batch;
    found.peak_bytes = 4.8e8;
    found.at_limit = at_limit;
    file.largest_batches.push_back(found);
  };
  add("llama", 64, 12, false);
  add("sub", 64, 65536, true);
  add("llama", 128, 0, false);
  Report report;
  add_batch_tables(file, report);
  REQUIRE(report.tables.size() == 1);
  const Table& table = report.tables[0];
  CHECK(table.title == "Largest batch within 500 MB: train");
  REQUIRE(table.columns.size() == 2);
  CHECK(table.rows[0].cells[0].text == "12 (480 MB)");
  CHECK(table.rows[0].cells[1].text == "0");
  CHECK(table.rows[0].cells[1].notes.size() == 1);
  CHECK(table.rows[1].cells[0].notes.size() == 1);
  CHECK(table.rows[1].cells[1].text == "–");
}
