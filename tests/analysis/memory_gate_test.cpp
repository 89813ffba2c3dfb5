// Reports tell what heads give a compressive memory, where there is one.
#include <catch2/catch.hpp>

#include "analysis/tables/memory_gate_table.h"
#include "core/schema/metrics.h"
#include "tests/analysis/small_study.h"

using namespace sublab;

TEST_CASE("the gates of each layer stand in the report", "[unit]") {
  SmallStudy study;
  Report none;
  add_memory_gate_table(study.data, none);
  CHECK(none.tables.empty());
  Record& record = study.record(1, 0);
  for (const int64_t layer : {0, 1})
    for (const auto& [name, value] :
         {std::pair(metric::kMemoryGateMin, 0.1), std::pair(metric::kMemoryGateMean, 0.25),
          std::pair(metric::kMemoryGateMax, 0.5)})
      record.metrics.push_back(
          {name, value + 0.25 * static_cast<double>(layer), {{"layer", layer}}, ""});
  Report report;
  add_memory_gate_table(study.data, report);
  REQUIRE(report.tables.size() == 1);
  const Table& table = report.tables.front();
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[1].variant == SmallStudy::kOddName + ", layer 1");
  REQUIRE(table.rows[1].cells.size() == 3);
  CHECK(table.rows[0].cells[0].text == "0.100");
  CHECK(table.rows[1].cells[1].text == "0.500");
  CHECK(*table.rows[1].cells[2].value == 0.75);
}
