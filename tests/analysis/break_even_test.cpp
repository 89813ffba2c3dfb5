// Where a speed-up begins, from rounds of known times.
#include "analysis/study/break_even.h"

#include <catch2/catch.hpp>

#include "analysis/tables/tables.h"

using namespace sublab;
using Where = Crossing::Where;

namespace {

BenchSeries rounds(const std::string& variant, double seconds, double wobble = 0) {
  BenchSeries out;
  out.variant = variant;
  out.trial = "id-" + variant;
  out.tokens_per_round = 100;
  for (int r = 0; r < 9; ++r) out.seconds.push_back(seconds + wobble * (r % 3 - 1));
  return out;
}

/// The variant `sub` takes `seconds[c]` where the reference takes 1.
BenchFile bench(const std::vector<int64_t>& contexts, const std::vector<double>& seconds,
                double wobble = 0) {
  BenchFile out;
  out.compare_to = "llama";
  for (size_t c = 0; c < contexts.size(); ++c) {
    BenchMeasurement measurement;
    measurement.mode = "prefill";
    measurement.context = contexts[c];
    measurement.batch = 1;
    measurement.series = {rounds("llama", 1), rounds("sub", seconds[c], wobble)};
    out.measurements.push_back(measurement);
  }
  return out;
}

}  // namespace

TEST_CASE("a break-even context lies between the contexts around it", "[unit][context]") {
  // Ratios 1/2 and 2 at contexts 100 and 400: equal distances of logarithms, so 200.
  const Crossing found = first_above_one({100, 400}, {0.5, 2});
  CHECK(found.where == Where::between);
  CHECK(found.context == Approx(200));
  CHECK(first_above_one({100, 400}, {1.5, 2}).where == Where::from_start);
  CHECK(first_above_one({100, 400}, {0.5, 1}).where == Where::nowhere);
  CHECK(first_above_one({100, 400}, {0.5, 1}).context == 400);
  // The first crossing counts, though the gain is lost again.
  CHECK(first_above_one({100, 400, 1600}, {0.5, 2, 0.5}).context == Approx(200));
}

TEST_CASE("contexts are sorted, and one context makes no curve", "[unit][context]") {
  const auto curves = speed_curves(bench({400, 100}, {0.5, 2}));
  REQUIRE(curves.size() == 1);
  CHECK(curves[0].contexts == std::vector<double>{100, 400});
  CHECK(curves[0].speed_ups[1].value == 2);
  CHECK(break_even(curves[0]).median.context == Approx(200));
  CHECK(speed_curves(bench({400}, {0.5})).empty());
}

TEST_CASE("what is told apart begins later than the median", "[unit][context]") {
  const auto curves = speed_curves(bench({100, 400, 1600}, {1.6, 0.8, 0.4}, 0.2));
  REQUIRE(curves.size() == 1);
  const BreakEven found = break_even(curves[0]);
  CHECK(found.median.where == Where::between);
  REQUIRE(found.told);
  CHECK(found.told->where == Where::between);
  CHECK(found.told->context > found.median.context);
}

TEST_CASE("the table names the break-even context of every mode", "[unit][context]") {
  BenchFile file = bench({100, 400}, {2, 0.5});
  for (BenchMeasurement measurement : bench({100, 400}, {0.5, 0.4}).measurements) {
    measurement.mode = "decode";
    file.measurements.push_back(measurement);
  }
  Report report;
  add_break_even_tables(file, report);
  REQUIRE(report.tables.size() == 1);
  const Table& table = report.tables[0];
  CHECK(table.title == "Break-even context against llama: batch 1, float32");
  REQUIRE(table.columns.size() == 4);
  CHECK(table.columns[0].name == "prefill break-even");
  REQUIRE(table.rows.size() == 1);
  CHECK(table.rows[0].cells[0].text == "200");
  CHECK(table.rows[0].cells[0].value.value() == Approx(200));
  CHECK(table.rows[0].cells[2].text == "below 100");
  CHECK_FALSE(table.rows[0].cells[2].value);
}
