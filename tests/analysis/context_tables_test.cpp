// Tables of accuracies by length and distance, and the one that says what they tell.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/statistics/student.h"
#include "analysis/tables/tables.h"
#include "core/schema/metrics.h"
#include "tests/analysis/small_study.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Two variants, two seeds, asked at two lengths; the second one is better, or its seeds differ by
/// as much.
struct AskedStudy : SmallStudy {
  explicit AskedStudy(double spread) {
    for (const size_t variant : {0, 1})
      for (const size_t seed : {0, 1}) {
        const double off = seed == variant ? spread : -spread;  // no effect of the seed alone
        add(variant, seed, 512, 0.2 + off);
        add(variant, seed, 128, 0.5 + 0.3 * static_cast<double>(variant) + off);
      }
  }
  void add(size_t variant, size_t seed, int64_t length, double value) {
    record(variant, seed)
        .metrics.push_back({metric::accuracy_by_length_of("perplexity"),
                            value,
                            {{"context", length}, {"n_rows", 100}, {"chance", 0.1}},
                            "",
                            kEvaluation});
  }
};

}  // namespace

TEST_CASE("accuracies by length stand in one table, in the order of lengths", "[unit][context]") {
  const AskedStudy study(0.01);
  Report report;
  add_by_condition_tables(study.data, report);
  REQUIRE(report.tables.size() == 1);
  const Table& table = report.tables[0];
  CHECK(table.title == "Accuracy in perplexity by length");
  REQUIRE(table.columns.size() == 2);
  CHECK(table.columns[0].name == "128");
  CHECK(table.columns[1].name == "512");
  CHECK(table.rows.at(1).cells.at(0).value.value() == Approx(0.8));
  CHECK(table.rows.at(1).cells.at(1).value.value() == Approx(0.2));
  CHECK_THAT(table.caption, Contains("Chance is 0.1000"));
  CHECK(has_table_by_condition("passkey_by_length_accuracy"));
  CHECK(has_table_by_condition("recall_by_distance_accuracy"));
  CHECK(!has_table_by_condition("passkey_accuracy"));
}

TEST_CASE("an accuracy that seeds move as much as variants tells nothing", "[unit][context]") {
  const auto verdicts = [](double spread) {
    const AskedStudy study(spread);
    Report report;
    add_signal_table(study.data, report);
    REQUIRE(report.tables.size() == 1);
    std::vector<std::string> out;
    for (const Row& row : report.tables[0].rows)
      if (!row.variant.starts_with("loss")) out.push_back(row.cells.back().text);
    return out;
  };
  const std::string apart = "tells variants apart", nothing = "tells nothing here";
  CHECK(verdicts(0.01) == std::vector<std::string>{nothing, apart});  // 512 first, then 128
  CHECK(verdicts(0.2) == std::vector<std::string>{nothing, nothing});
}

TEST_CASE("the spread over the last points of training has a column where it was asked",
          "[unit][context]") {
  AskedStudy study(0.01);
  Report without, with;
  add_signal_table(study.data, without);
  const std::string column = "last points";
  for (const Column& each : without.tables.at(0).columns) CHECK(each.name != column);
  const std::string of = metric::accuracy_by_length_of("perplexity");
  for (const auto& [seed, value] : {std::pair<size_t, double>{0, 0.03}, {1, 0.04}})
    study.record(0, seed).metrics.push_back({metric::kLastPointsSpread,
                                             value,
                                             {{condition::kSpreadOf, of}},
                                             "",
                                             AskedStudy::kEvaluation});
  add_signal_table(study.data, with);
  const Table& table = with.tables.at(0);
  size_t at = 0;
  while (at < table.columns.size() && table.columns[at].name != column) ++at;
  REQUIRE(at < table.columns.size());
  CHECK(table.rows.at(1).cells.at(at).value.value() == Approx(std::sqrt((9e-4 + 16e-4) / 2)));
}
