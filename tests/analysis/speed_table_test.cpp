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

TEST_CASE("a variant that ran out of memory has a row without ratios", "[unit]") {
  BenchFile file = bench();
  BenchSeries& lost = file.measurements[0].series[1];
  lost.outcome = "out_of_memory";
  lost.detail = "tried to take 9 GB";
  lost.seconds.clear();
  lost.ledger_memory_bytes = 9e9;
  Report report;
  add_speed_tables(file, report);
  const Table& table = report.tables.front();
  CHECK(table.rows[1].cells[0].text == "out of memory");
  REQUIRE(table.rows[1].cells[0].notes.size() == 1);
  CHECK(report.footnotes.at(table.rows[1].cells[0].notes[0] - 1) ==
        "sub, train, context 64, batch 2 (9000 MB by the ledger): tried to take 9 GB");
  for (size_t c = 1; c < 7; ++c) CHECK(table.rows[1].cells[c].text == "–");
  // The reference too: nobody has a ratio, and the table stands all the same.
  file.measurements[0].series[0] = lost;
  file.measurements[0].series[0].variant = "llama";
  file.measurements[0].series[1] = series("sub", 1);
  Report without;
  add_speed_tables(file, without);
  CHECK(without.tables.size() == 3);
  CHECK(without.tables[0].rows[1].cells[0].text != "out of memory");
  CHECK(without.tables[0].rows[1].cells[1].text == "–");
}

TEST_CASE("the share of the measured limit stands in files that have the rate of their format",
          "[unit]") {
  BenchFile file = bench();
  file.calibration = {{"matmul_512_gflops_per_s", 1e-6},
                      {"matmul_bfloat16_64x32x16_gflops_per_s", 2e-6},
                      {"read_gb_per_s", 4e-6}};
  for (BenchMeasurement& measurement : file.measurements)
    for (BenchSeries& one : measurement.series)
      one.flops_per_token = one.bytes_per_token = 10;  // 500 and 1000 a second
  file.measurements[0].dtype = "bfloat16";
  file.measurements[1].dtype = "tf32";
  Report report;
  add_speed_tables(file, report);
  const Table &train = report.tables[0], &prefill = report.tables[1], &decode = report.tables[2];
  REQUIRE(train.columns[5].name == "of the limit");
  CHECK(train.columns[5].help.find("bfloat16, 64x32x16") != std::string::npos);
  CHECK(train.rows[0].cells[5].text == "25.0 %");
  CHECK(train.rows[1].cells[5].text == "50.0 %");
  CHECK(prefill.columns.size() == 7);  // nobody timed a product in it
  CHECK(decode.rows[1].cells[5].text == "25.0 %");
  file.schema = 2;
  Report older;
  add_speed_tables(file, older);
  CHECK(older.tables[0].columns.size() == 7);
}

TEST_CASE("a card that was held down, and memory of a device, stand in the table", "[unit]") {
  BenchFile file = bench();
  BenchMeasurement& measurement = file.measurements[0];
  measurement.card = {{"before", {{"throttle_reasons", {"gpu_idle"}}}},
                      {"after", {{"throttle_reasons", {"applications_clocks"}}}},
                      {"during",
                       {{"samples", 3},
                        {"sm_clock_mhz_min", 1700},
                        {"sm_clock_mhz_max", 1740},
                        {"throttle_reasons", json::array()}}}};
  for (BenchSeries& one : measurement.series) {
    one.peak_reserved_bytes = 3e9;
    one.driver_used_bytes = 9e9;
  }
  Report quiet;
  add_speed_tables(file, quiet);
  CHECK(quiet.tables[0].rows[0].cells[0].notes.empty());
  CHECK(quiet.tables[0].columns.size() == 9);
  CHECK(quiet.tables[0].rows[0].cells[7].text == "3000 MB");
  CHECK(quiet.tables[0].rows[0].cells[8].text == "9000 MB");
  measurement.card["during"]["throttle_reasons"] = {"sw_power_cap"};
  measurement.card["during"]["sm_clock_mhz_min"] = 1500;
  Report held;
  add_speed_tables(file, held);
  REQUIRE(held.tables[0].rows[0].cells[0].notes.size() == 1);
  CHECK(held.footnotes[0] ==
        "the card was held down: sw_power_cap; its SM clock moved between 1500 and 1740 MHz");
  CHECK(held.tables[1].rows[0].cells[0].notes.empty());
}
