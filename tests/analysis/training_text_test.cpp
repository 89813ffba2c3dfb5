// What a report says of sampled text, of positions that skip, and of weights that trials start
// from.
#include <catch2/catch.hpp>

#include "analysis/figures/builders.h"
#include "analysis/study/inherited_cost.h"
#include "analysis/tables/tables.h"
#include "core/schema/metrics.h"
#include "tests/analysis/small_study.h"

using namespace sublab;

namespace {

/// A study whose second variant starts from the first.
struct Continued : SmallStudy {
  Continued() {
    for (size_t seed : {0, 1})
      for (size_t variant : {0, 1}) {
        Record& own = record(variant, seed);
        own.config["train"] = {{"learning_rate", 1e-3}, {"from", variant ? "llama" : ""}};
        PlannedTrial trial;
        trial.id = own.id;
        if (variant) trial.from = record(0, seed).id;
        data.plan.trials.push_back(trial);
      }
  }
  Record& child() { return record(1, 0); }
};

double number(const Table& table, size_t row, const std::string& column) {
  for (size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].name == column) return table.rows.at(row).cells.at(c).value.value_or(-1);
  FAIL("no column " << column);
  return 0;
}

}  // namespace

TEST_CASE("training of parents is found in the study, else in what the checkpoint said",
          "[unit][context]") {
  Continued study;
  CHECK(whole_training(study.data, study.record(0, 0)).tokens == 1000);
  CHECK(inherited_cost(study.data, study.record(0, 0)).flops == 0);
  CHECK(whole_training(study.data, study.child()).tokens == 2000);
  CHECK(whole_training(study.data, study.child()).flops == 1000 * 100 + 1000 * 50);
  for (PlannedTrial& trial : study.data.plan.trials) trial.from.clear();  // a folder
  CHECK_FALSE(whole_training(study.data, study.child()).tokens);
  study.child().provenance["from"] = {{"trained_tokens", 500}, {"trained_flops", 7}};
  CHECK(whole_training(study.data, study.child()).tokens == 1500);
  CHECK(inherited_cost(study.data, study.child()).flops == 7);
}

TEST_CASE("the cost table counts training with parents, where there are any", "[unit][context]") {
  Continued study;
  Report report;
  add_cost_table(study.data, report);
  const Table& table = report.tables.at(0);
  CHECK(number(table, 0, "tokens with parents'") == 1000);
  CHECK(number(table, 1, "tokens with parents'") == 2000);
  CHECK(number(table, 1, "train FLOPs") == 50'000);
  CHECK(number(table, 1, "FLOPs with parents'") == 150'000);
  study.child().provenance = json::object();
  for (PlannedTrial& trial : study.data.plan.trials) trial.from.clear();
  Report unknown;
  add_cost_table(study.data, unknown);
  CHECK(number(unknown.tables.at(0), 1, "tokens with parents'") == -1);
  for (size_t seed : {0, 1}) study.record(1, seed).config["train"]["from"] = "";
  Report alone;
  add_cost_table(study.data, alone);
  CHECK(alone.tables.at(0).columns.size() + 3 == table.columns.size());
}

TEST_CASE("a report shows mixtures before and after, and distances", "[unit][context]") {
  Continued study;
  Report before;
  add_training_text_tables(study.data, before);
  figures::add_relative_distances(study.data, before);
  CHECK(before.tables.empty());
  CHECK(before.figures.empty());
  for (size_t seed : {0, 1}) {
    Record& record = study.record(1, seed);
    for (const bool sampled : {false, true})
      for (const char* source : {"books", condition::kAllSources}) {
        const json about = {{condition::kSource, source},
                            {condition::kSampled, sampled},
                            {"long_document_tokens", 512}};
        if (source != std::string(condition::kAllSources))
          record.metrics.push_back({metric::kSourceTokens, 0.5, about});
        record.metrics.push_back({metric::kLongDocuments, sampled ? 0.75 : 0.25, about});
      }
    const json limit = {{"positions_below", 5}};
    record.metrics.push_back({metric::kDistancesUnseen, 0.25, limit});
    record.metrics.push_back({metric::kPairsBeyondRow, 0.125, limit});
    record.metrics.push_back({metric::kLongestDistance, 4.0, limit});
    const std::vector<double> buckets = {3, 30, 5, seed == 0 ? 0.0 : 10.0};
    study.add_array(1, seed, array::kRelativeDistances, npy_array(buckets, {2, 2}));
  }
  Report report;
  add_training_text_tables(study.data, report);
  figures::add_relative_distances(study.data, report);
  REQUIRE(report.tables.size() == 2);
  const Table& sources = report.tables[0];
  REQUIRE(sources.rows.size() == 2);
  CHECK(sources.rows[0].variant == SmallStudy::kOddName + ", books");
  CHECK(number(sources, 0, "of tokens before") == 0.5);
  CHECK(number(sources, 0, "long before") == 0.25);
  CHECK(number(sources, 0, "long after") == 0.75);
  CHECK(number(sources, 1, "long after") == 0.75);
  const Table& distances = report.tables[1];
  CHECK(number(distances, 0, "never seen") == 0.25);
  CHECK(number(distances, 0, "longest distance") == 4);
  CHECK(number(distances, 0, "positions below") == 5);
  REQUIRE(report.figures.size() == 1);
  const FigureSeries& curve = report.figures[0].series.at(0);
  CHECK(curve.x == std::vector<double>{1.5, 3.5});  // distances 1, 2 and 3, 4
  CHECK(curve.y[0] == Approx(60.0 / 70 / 2));
  CHECK(curve.y[1] == Approx(10.0 / 70 / 2));
}
