// A mechanism that never acted is told in every report, whatever it is called.
#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/build_report.h"
#include "core/schema/metrics.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

Metric active(const std::string& mechanism, double n, double of, const Record& record) {
  return {.name = metric::kActiveFraction,
          .value = of > 0 ? n / of : 0,
          .conditions = {{"mechanism", mechanism}, {"n", n}, {"of", of}},
          .note = "",
          .evaluation = record.evaluations.back().id};
}

/// Three variants of two seeds: dense, one that evicts by one of its seeds, one that never does.
Report report_of(const fs::path& path) {
  std::vector<FixtureTrial> trials;
  for (const char* variant : {"dense", "short", "long"})
    for (const int64_t seed : {1, 2}) trials.push_back({variant, seed, wavy_losses(3)});
  write_fixture(path, {}, trials);
  for (const FixtureTrial& trial : trials) {
    if (trial.variant == "dense") continue;
    const fs::path file = path / "records" / (fixture_id(trial.variant, trial.seed) + ".json");
    Record record = read_record(file);
    const double n = trial.variant == "short" && trial.seed == 2 ? 300 : 0;
    record.metrics.push_back(active("tokens_evicted", n, 1000, record));
    record.metrics.push_back(active("segments_folded", 20 + double(trial.seed), 100, record));
    write_record(file, record);
  }
  return build_report(path);
}

}  // namespace

TEST_CASE("a mechanism that acted in none of its chances is footnoted inactive", "[unit]") {
  const TemporaryFolder folder;
  const Report report = report_of(folder.path);
  size_t found = 0;
  for (size_t i = 0; i < report.footnotes.size(); ++i)
    if (report.footnotes[i] == "inactive: tokens_evicted, in none of 2000 chances") found = i + 1;
  REQUIRE(found > 0);
  std::vector<std::string> noted;
  for (const Table& table : report.tables)
    for (const Row& row : table.rows)
      for (const Cell& cell : row.cells)
        if (std::count(cell.notes.begin(), cell.notes.end(), found)) noted.push_back(row.variant);
  CHECK(noted == std::vector<std::string>{"long"});
  for (const std::string& note : report.footnotes)
    if (note != report.footnotes[found - 1]) CHECK_THAT(note, !Contains("inactive"));
  // Two mechanisms of an evaluation have a column each, over all seeds, though their counts differ.
  std::vector<std::string> columns;
  for (const Table& table : report.tables)
    for (const Column& column : table.columns)
      if (column.name.starts_with("active")) columns.push_back(column.name);
  CHECK(columns == std::vector<std::string>{"active (mechanism tokens_evicted)",
                                            "active (mechanism segments_folded)"});
}
