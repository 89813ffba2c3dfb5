// Accuracies of tasks that leave answers per row are compared as losses are: paired, with interval,
// correction and verdict.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/study/compare.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

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

/// Right answers of `n` rows of ten questions, around a share, in the same pattern for every share.
std::vector<double> right_answers(double share, int n = 40) {
  std::vector<double> out;
  for (int r = 0; r < n; ++r)
    out.push_back(std::clamp(std::round(10 * share + 2 * std::sin(1.7 * r)), 0.0, 10.0));
  return out;
}

/// Adds a task with answers per row to a trial of a fixture.
void add_answers(const fs::path& folder, const std::string& variant, int64_t seed,
                 const std::vector<double>& right, uint64_t first_key,
                 const std::string& task = "needle", const json& conditions = {{"depth", 1}}) {
  const fs::path file = folder / "records" / (fixture_id(variant, seed) + ".json");
  Record record = read_record(file);
  double all = 0;
  for (const double each : right) all += each;
  const auto n = static_cast<int64_t>(right.size());
  add_fixture_accuracy(task, conditions, all / (10 * static_cast<double>(n)),
                       static_cast<double>(n), record);
  const std::string id = record.evaluations.back().id;
  std::vector<double> rows;
  std::vector<uint64_t> keys;
  for (int64_t r = 0; r < n; ++r) {
    rows.insert(rows.end(), {right[static_cast<size_t>(r)], 10});
    keys.push_back(first_key + static_cast<uint64_t>(r));
  }
  write_record(file, record);
  add_to_fixture(folder, record.id,
                 {{member_name(array::kAnswers, id), npy_array(rows, {n, 2})},
                  {member_name(array::kAnswerKeys, id), npy_array(keys, {n})}});
  Plan plan = read_plan(folder);
  for (PlannedTrial& trial : plan.trials)
    if (trial.id == record.id) trial.config = record.config;
  write_plan(folder, plan);
}

const EvaluationOf kNeedle = evaluation_of("needle");

}  // namespace

TEST_CASE("accuracies pair by row: one seed speaks of checkpoints", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}});
  add_answers(place.path, "a", 1, right_answers(0.4), 100);
  auto right = right_answers(0.6);
  for (size_t r = 3; r < right.size(); r += 5) right[r] -= 1;
  add_answers(place.path, "b", 1, right, 100);
  const StudyData data = read_study_data(place.path);
  const Comparison c = compare_accuracies(data.variant("b"), data.variant("a"), kNeedle);
  REQUIRE(c.possible);
  double difference = 0;
  for (size_t r = 0; r < right.size(); ++r)
    difference += (right[r] - right_answers(0.4)[r]) / (10.0 * 40);
  CHECK(c.difference.value == Approx(difference));
  CHECK(c.target() == "these checkpoints");
  CHECK(c.n_documents == 40);
  CHECK(c.p_value.value() < 0.01);
  CHECK(c.verdict() == "better");  // more right answers are better
  CHECK(compare_accuracies(data.variant("a"), data.variant("b"), kNeedle).verdict() == "worse");
  // Paired: what the rows share is no part of the spread.
  CHECK(c.difference.interval->high - c.difference.interval->low < 0.05);
}

TEST_CASE("seeds with rows of their own: the interval is Student's over seeds", "[unit]") {
  const TemporaryFolder place;
  std::vector<FixtureTrial> trials;
  for (const int64_t seed : {1, 2, 3})
    for (const char* name : {"a", "b"}) trials.push_back({name, seed, wavy_losses(3)});
  write_fixture(place.path, {}, trials);
  const double shares[] = {0.5, 0.6, 0.4};
  std::vector<double> differences;
  for (const int64_t seed : {1, 2, 3}) {
    const auto of_a = right_answers(0.3), of_b = right_answers(shares[seed - 1]);
    add_answers(place.path, "a", seed, of_a, 1000 * static_cast<uint64_t>(seed));
    add_answers(place.path, "b", seed, of_b, 1000 * static_cast<uint64_t>(seed));
    double sum = 0;
    for (size_t r = 0; r < of_a.size(); ++r) sum += of_b[r] - of_a[r];
    differences.push_back(sum / 400);
  }
  const StudyData data = read_study_data(place.path);
  const Comparison c = compare_accuracies(data.variant("b"), data.variant("a"), kNeedle);
  REQUIRE(c.possible);
  CHECK(c.own_rows);
  CHECK(c.target() == "the recipe");
  const Estimate expected = mean_over_seeds(differences);
  CHECK(c.difference.value == Approx(expected.value));
  CHECK(c.difference.interval->low == Approx(expected.interval->low));
  CHECK(c.difference.interval->high == Approx(std::min(1.0, expected.interval->high)));
  CHECK(c.document_error == 0);
  REQUIRE(c.by_seed.size() == 3);
  CHECK(c.by_seed[1].first == 2);
  CHECK(c.by_seed[1].second == Approx(differences[1]));

  const Report report = build_report(place.path);
  const Table& quality = table_of(report, "Quality");
  CHECK(cell_of(quality, "b", "needle: minus a").value.value() == Approx(expected.value));
  CHECK_FALSE(cell_of(quality, "b", "needle: verdict").text == "–");
  const Table& comparisons = table_of(report, "Comparisons of accuracy in needle");
  CHECK(comparisons.rows.at(0).variant == "b − a");
  CHECK_THAT(comparisons.caption, Contains("rows of its own"));
  const Table& by_seed = table_of(report, "Accuracy in needle by seed");
  CHECK(cell_of(by_seed, "b", "seed 2").value.value() == Approx(0.6).margin(0.02));
  CHECK(cell_of(by_seed, "b", "minus a, seed 2").value.value() == Approx(differences[1]));
  // The losses are alike, so no seed differs: their table stands all the same.
  CHECK(table_of(report, "Loss by seed").rows.size() == 2);
}

TEST_CASE("rows that all seeds share count as documents do", "[unit]") {
  const TemporaryFolder place;
  std::vector<FixtureTrial> trials;
  for (const int64_t seed : {1, 2})
    for (const char* name : {"a", "b"}) trials.push_back({name, seed, wavy_losses(3)});
  write_fixture(place.path, {}, trials);
  for (const int64_t seed : {1, 2}) {
    add_answers(place.path, "a", seed, right_answers(0.3), 100);
    auto right = right_answers(0.5 + 0.1 * static_cast<double>(seed));
    for (size_t r = 0; r < right.size(); r += 3) right[r] = std::max(0.0, right[r] - 2);
    add_answers(place.path, "b", seed, right, 100);
  }
  const StudyData data = read_study_data(place.path);
  const Comparison c = compare_accuracies(data.variant("b"), data.variant("a"), kNeedle);
  REQUIRE(c.possible);
  CHECK_FALSE(c.own_rows);
  CHECK(c.document_error > 0);
  CHECK(c.seed_error > 0);
}

TEST_CASE("answers that were given to other rows are not paired", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(3)}, {"c", 1, wavy_losses(3)}});
  add_answers(place.path, "a", 1, right_answers(0.3), 100);
  add_answers(place.path, "b", 1, right_answers(0.3), 200);
  add_answers(place.path, "c", 1, right_answers(0.3), 100, "needle", {{"depth", 2}});
  const StudyData data = read_study_data(place.path);
  const auto reason = [&](const char* name) {
    return compare_accuracies(data.variant(name), data.variant("a"), kNeedle).reason;
  };
  CHECK(reason("b") == "they were asked other rows");
  CHECK(reason("c") == "they were asked with other settings");
}

TEST_CASE("verdicts on accuracies are corrected over a task's comparisons at all lengths",
          "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}});
  for (const int64_t length : {64, 128}) {
    add_answers(place.path, "a", 1, right_answers(0.3), 100, "needle", {{"length", length}});
    auto right = right_answers(0.3);
    for (size_t r = 0; r < right.size(); r += 4) right[r] += length == 64 ? 1 : 0;
    right[1] += 1;
    add_answers(place.path, "b", 1, right, 100, "needle", {{"length", length}});
  }
  const auto all = accuracy_comparisons(read_study_data(place.path));
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].comparisons.size() == 2);
  const Comparison &shorter = all[0].comparisons[0][0], &longer = all[0].comparisons[1][0];
  CHECK(shorter.n_declared == 2);
  CHECK(shorter.p_holm.value() == Approx(2 * shorter.p_value.value()));
  CHECK(longer.p_holm.value() == Approx(longer.p_value.value()));
  const Report report = build_report(place.path);
  const Table& table = table_of(report, "Needle by length");
  CHECK(cell_of(table, "b", "64: verdict").text == "better");
  CHECK(cell_of(table, "b", "128: verdict").text == "unclear");
}

TEST_CASE("kept shares by role stand in a table of their own", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}});
  add_answers(place.path, "a", 1, right_answers(0.3), 100);
  add_answers(place.path, "b", 1, right_answers(0.3), 100);
  const fs::path file = place.path / "records" / (fixture_id("b", 1) + ".json");
  Record record = read_record(file);
  const std::string id = record.evaluations.back().id;
  for (const auto& [role, share] : {std::pair{"query", 0.9}, {"filler", 0.2}})
    record.metrics.push_back(
        {"role_kept_fraction_1", share, {{"depth", 1}, {"role", role}}, "", id});
  write_record(file, record);
  const Report report = build_report(place.path);
  const Table& table = table_of(report, "Kept by role in needle");
  REQUIRE(table.rows.size() == 1);
  CHECK(cell_of(table, "b", "query, L1").text == "0.900");
  CHECK(cell_of(table, "b", "filler, L1").text == "0.200");
  for (const Column& column : table_of(report, "Quality").columns)
    CHECK_THAT(column.name, !Contains("role"));
}
