// The table that says whether evaluation keeps what training selected.
#include <catch2/catch.hpp>

#include "analysis/tables/selection_tables.h"
#include "tests/analysis/small_study.h"

using namespace sublab;

namespace {

const Cell& cell_of(const Table& table, const std::string& column) {
  for (size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].name == column) return table.rows.at(0).cells.at(c);
  throw std::out_of_range(column);
}

/// Two modules, retention 0.5 and 0.8, two seeds that keep other shares.
struct TwoModules : SmallStudy {
  TwoModules() {
    record(0, 0).config["model"]["retention"] = record(0, 1).config["model"]["retention"] = 1;
    for (const size_t seed : {0, 1}) {
      record(1, seed).config["model"]["retention"] = {0.5, 0.8};
      const double more = seed == 0 ? 0.02 : -0.1;
      add(seed, "kept_fraction_1", 0.5 + more, 0);
      add(seed, "kept_fraction_2", 0.8 + 0.03, 1);
      add(seed, "selection_gap_nats", seed == 0 ? 0.001 : -0.004, -1);
      const double inside = seed == 0 ? 0.6 : 0.2;
      add_array(1, seed, array::kSelectionCurve,
                npy_array(std::vector<double>{1,  0, 0.5, 1,   1,  1, 0.5, 1,   50, 0, 0.5, inside,
                                              52, 1, 0.5, 0.4, 99, 0, 0.5, 0.1, 99, 1, 0.5, 0.3},
                          {6, 4}));
    }
  }
  void add(size_t seed, const char* name, double value, int module) {
    json about = {{"window", 32}};
    if (module >= 0) about["module"] = module;
    record(1, seed).metrics.push_back({name, value, about, "", kEvaluation});
  }
};

}  // namespace

TEST_CASE("kept shares, gap and live scores stand in one table, over all seeds", "[unit]") {
  const TwoModules study;
  Report report;
  add_held_selection_table(study.data, report);
  REQUIRE(report.tables.size() == 1);
  const Table& table = report.tables[0];
  REQUIRE(table.rows.size() == 1);  // what keeps everything has no line
  CHECK(cell_of(table, "retention").text == "0.5, 0.8");
  CHECK(cell_of(table, "kept L1").value.value() == Approx(0.46));
  CHECK(cell_of(table, "kept L2").value.value() == Approx(0.83));
  CHECK(cell_of(table, "largest deviation").value.value() == Approx(0.1));
  CHECK(cell_of(table, "gap").value.value() == Approx(-0.0015));
  CHECK(cell_of(table, "largest gap").value.value() == Approx(0.004));
  CHECK(cell_of(table, "inside at half").value.value() == Approx(0.4));
  CHECK(cell_of(table, "least at half").value.value() == Approx(0.2));
  CHECK(cell_of(table, "inside at the end").value.value() == Approx(0.2));
  CHECK(cell_of(table, "least at the end").value.value() == Approx(0.1));
}
