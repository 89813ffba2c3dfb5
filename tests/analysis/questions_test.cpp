// A study that asks its tasks in several ways: every number stands in the report, each with its own
// interval, difference and verdict.
#include "analysis/study/questions.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/claims/claim_measure.h"
#include "analysis/print/trials.h"
#include "analysis/study/compare.h"
#include "analysis/verify.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

const std::vector<double> kShares = {0.9, 0.8, 0.6, 0.3};

/// Two variants, each asked at two windows on two splits, and for recall and needles at four
/// lengths.
struct ManyQuestions : TemporaryFolder {
  ManyQuestions() {
    write_fixture(path, {},
                  {{"a", 1, losses(0, 0), "bytes", 1, {}, {{"window", 256}}},
                   {"b", 1, losses(1, 0), "bytes", 1, {}, {{"window", 256}}}});
    for (const double variant : {0.0, 1.0}) add_questions(variant);
  }

  /// The fixture's own question, test at 256, is number 0; window 512 is 1, validation adds 2.
  static std::vector<double> losses(double variant, double question) {
    return wavy_losses(3 - 0.1 * variant - 0.2 * question, 0.3 + 0.02 * variant * (1 + question));
  }

  void add_questions(double variant) const {
    const fs::path file = path / "records" / (fixture_id(variant == 0 ? "a" : "b", 1) + ".json");
    Record record = read_record(file);
    NpyMembers arrays = read_npz(arrays_path(path, record.id));
    for (const auto& [split, window, question] :
         {std::tuple{"test", 512, 1.0}, {"validation", 256, 2.0}, {"validation", 512, 3.0}})
      add_fixture_losses({{"split", split}, {"window", window}}, losses(variant, question), 100,
                         1000 * static_cast<uint64_t>(question), record, arrays);
    for (size_t i = 0; i < kShares.size(); ++i) {
      const int64_t length = int64_t{64} << i;
      add_fixture_accuracy("recall", {{"length", length}}, kShares[i] - 0.05 * variant, 200,
                           record);
      add_fixture_accuracy("needle", {{"length", length}}, kShares[i] - 0.02 * variant, 100,
                           record);
      record.metrics.push_back({"needle_tries",
                                2.5 + static_cast<double>(i),
                                {{"length", length}},
                                "",
                                record.evaluations.back().id});
    }
    write_fixture_arrays(path, arrays, record);
    write_record(file, record);
    Plan plan = read_plan(path);
    for (PlannedTrial& trial : plan.trials)
      if (trial.id == record.id) trial.config = record.config;
    write_plan(path, plan);
  }
};

const Table& table_of(const Report& report, const std::string& title) {
  for (const Table& table : report.tables)
    if (table.title == title) return table;
  throw std::out_of_range(title);
}

const Cell& cell_of(const Table& table, const std::string& row, const std::string& column) {
  for (size_t c = 0; c < table.columns.size(); ++c)
    for (const Row& each : table.rows)
      if (each.variant == row && table.columns[c].name == column) return each.cells.at(c);
  throw std::out_of_range(row + ", " + column);
}

}  // namespace

TEST_CASE("every question's loss has a column of its own, with interval and verdict", "[unit]") {
  const ManyQuestions place;
  const Report report = build_report(place.path);
  const Table& table = table_of(report, "Loss by split and window");
  const std::vector<std::string> labels = {"test split, window 256", "test split, window 512",
                                           "validation split, window 256",
                                           "validation split, window 512"};
  REQUIRE(table.columns.size() == 3 * labels.size());
  for (size_t q = 0; q < labels.size(); ++q) {
    CHECK(table.columns[3 * q].name == labels[q]);
    const Cell& loss = cell_of(table, "b", labels[q]);
    double mean = 0;
    for (const double each : ManyQuestions::losses(1, static_cast<double>(q))) mean += each / 40;
    CHECK(*loss.value == Approx(mean));
    REQUIRE(loss.low);
    CHECK(*loss.low < mean);
    CHECK(*loss.high > mean);
    CHECK(cell_of(table, "b", labels[q] + ": verdict").text == "better");
  }
  // By hand: the interval of a question is that of its own documents alone.
  std::vector<DocumentSum> documents, differences;
  const auto own = ManyQuestions::losses(1, 3), other = ManyQuestions::losses(0, 3);
  for (size_t d = 0; d < own.size(); ++d) {
    documents.push_back({own[d] * 100, 100});
    differences.push_back({(own[d] - other[d]) * 100, 100});
  }
  const Cell& last = cell_of(table, "b", labels[3]);
  CHECK(*last.low == mean_loss(documents).interval->low);
  CHECK(*last.high == mean_loss(documents).interval->high);
  const Cell& difference = cell_of(table, "b", labels[3] + ": minus a");
  CHECK(*difference.low == Approx(mean_loss(differences).interval->low));
  CHECK(*difference.high == Approx(mean_loss(differences).interval->high));
  // The overview stands on the first question, and says so.
  CHECK(cell_of(table_of(report, "Quality"), "b", "loss").value ==
        cell_of(table, "b", labels[0]).value);
  CHECK_THAT(join(report.facts), Contains("4 questions of perplexity, by split and window") &&
                                     Contains("stand on the first: " + labels[0]));
  const Table& others = table_of(report, "Further metrics of perplexity by split and window");
  CHECK(*cell_of(others, "b, " + labels[1], "perplexity").value ==
        Approx(std::exp(*cell_of(table, "b", labels[1]).value)));
}

TEST_CASE("accuracies span their lengths, of tasks that no table knows too", "[unit]") {
  const ManyQuestions place;
  const Report report = build_report(place.path);
  const Table& recall = table_of(report, "Recall by length");
  for (size_t i = 0; i < kShares.size(); ++i) {
    const std::string length = std::to_string(64 << i);
    CHECK(*cell_of(recall, "b", length).value == Approx(kShares[i] - 0.05));
    CHECK(*cell_of(table_of(report, "Needle by length"), "a", length).value == Approx(kShares[i]));
  }
  // Wilson's interval of 60 of 200 rows by hand: centre and half width.
  const double n = 200, p = 0.3, z = 1.959963984540054;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  CHECK(*cell_of(recall, "a", "512").low == Approx(centre - half));
  CHECK(*cell_of(recall, "a", "512").high == Approx(centre + half));
  // A metric that nobody has heard of is shown in general form.
  Cell tries;
  for (const Table& table : report.tables)
    for (size_t c = 0; c < table.columns.size(); ++c)
      if (table.columns[c].name == "needle tries") tries = table.rows.at(1).cells.at(c);
  CHECK(tries.text == "3.5");
}

TEST_CASE("two modules of one level both stand in the table", "[unit]") {
  const TemporaryFolder place;
  std::vector<Metric> modules;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}});
  const fs::path file = place.path / "records" / (fixture_id("b", 1) + ".json");
  Record record = read_record(file);
  for (const int64_t module : {0, 2})
    record.metrics.push_back({"kept_fraction_1",
                              0.5 + 0.1 * static_cast<double>(module),
                              {{"split", "test"}, {"module", module}},
                              "",
                              record.headline()});
  write_record(file, record);
  const Table quality = table_of(build_report(place.path), "Quality");
  CHECK(*cell_of(quality, "b", "kept L1 module 1").value == 0.5);
  CHECK(*cell_of(quality, "b", "kept L1 module 2").value == 0.7);
}

TEST_CASE("comparisons pair documents of one question alone", "[unit]") {
  const ManyQuestions place;
  const StudyData data = read_study_data(place.path);
  const Comparison headline = compare_losses(data.variant("b"), data.variant("a"));
  REQUIRE(headline.possible);
  CHECK(headline.difference.value == Approx(-0.1).margin(0.01));
  const auto tasks = questions_of(data);
  REQUIRE(tasks.size() == 3);
  CHECK(tasks[0].axis == "split and window");
  CHECK(tasks[0].spanned);
  CHECK(answering(data.variant("a"), tasks[0].questions[3]).size() == 1);
  const auto all = declared_comparisons(data, tasks[0].questions);
  REQUIRE(all.size() == 4);
  CHECK(*all[3][0].p_holm >= *all[3][0].p_value);
  CHECK_FALSE(compare_losses(data.variant("b"), data.variant("a"), DifferenceUnit::nats_per_token,
                             &tasks[1].questions[0])
                  .possible);
  CHECK(compare_losses(data.variant("b"), data.variant("a"), DifferenceUnit::nats_per_token,
                       &tasks[1].questions[0])
            .reason == "b: no loss was measured");
  const AskedQuestion never{.task = "recall", .conditions = {{"length", 7}}};
  CHECK(compare_losses(data.variant("b"), data.variant("a"), DifferenceUnit::nats_per_token, &never)
            .reason == "b was not asked");
}

TEST_CASE("each evaluation is derived from its own arrays, and trials name their columns",
          "[unit]") {
  const ManyQuestions place;
  const Verification found = verify_study(place.path);
  CHECK(found.problems.empty());
  CHECK(found.derived == 2 * 4 * 3);
  CHECK(found.arrays == 2 * 4 * 2);
  const std::string csv = trials_as_csv(read_study_data(place.path));
  for (const char* column :
       {"loss_nats[split=test window=256]", "loss_nats[split=validation window=512]",
        "recall_accuracy[length=512]"})
    CHECK_THAT(csv.substr(0, csv.find('\n')), Contains(column));
  const fs::path file = place.path / "records" / (fixture_id("b", 1) + ".json");
  Record record = read_record(file);
  for (Metric& metric : record.metrics)
    if (metric.name == "loss_nats" && metric.evaluation == record.evaluations[2].id)
      metric.value = *metric.value + 0.01;
  write_record(file, record);
  const auto problems = verify_study(place.path).problems;
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Contains("loss_nats of " + record.evaluations[2].id));
}

TEST_CASE("a claim may name the evaluation that it is about", "[unit]") {
  const ManyQuestions place;
  const StudyData data = read_study_data(place.path);
  Claim claim;
  claim.metric = "loss_nats";
  auto measured = measure_claim(claim, data, data.variant("a"));
  REQUIRE(measured.size() == 1);
  CHECK(measured[0].estimate.value == Approx(3).margin(0.02));
  claim.conditions = {{"split", "validation"}, {"window", 512}};
  measured = measure_claim(claim, data, data.variant("a"));
  REQUIRE(measured.size() == 1);
  CHECK(measured[0].condition == "validation split, window 512");
  CHECK(measured[0].estimate.value == Approx(2.4).margin(0.02));
  claim.metric = "recall_accuracy";
  claim.conditions = json::object();
  CHECK(measure_claim(claim, data, data.variant("a")).size() == kShares.size());
  claim.conditions = {{"length", 128}};
  measured = measure_claim(claim, data, data.variant("a"));
  REQUIRE(measured.size() == 1);
  CHECK(measured[0].estimate.value == Approx(0.8));
  CHECK(unmet_condition(claim, data).empty());
  claim.conditions = {{"length", 65}};
  CHECK(unmet_condition(claim, data) ==
        "no evaluation with length 65; measured: 64, 128, 256, 512");
  claim.conditions = {{"lenght", 64}};
  CHECK_THAT(unmet_condition(claim, data),
             Contains("unknown condition 'lenght' of recall_accuracy; did you mean 'length'?"));
  claim.metric = "n_params";
  claim.conditions = json::object();
  CHECK(measure_claim(claim, data, data.variant("a")).empty());
}
