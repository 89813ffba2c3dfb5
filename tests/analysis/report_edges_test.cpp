// Studies that went wrong in some way: their reports and errors.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/figures/canvas.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/verify.h"
#include "core/utf8.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

void write_npy_header(const fs::path& path, const std::string& shape) {
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  write_file_durably(path, std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n");
}

}  // namespace

TEST_CASE("a ratio to a cost of 0 was printed as -nan", "[unit]") {
  const TemporaryFolder place;
  const std::vector<Metric> nothing = {{"train_flops_per_token", 0.0, json::object(), ""},
                                       {"train_tokens", 0.0, json::object(), ""}};
  Plan plan;
  plan.match = {{{"by", "train_tokens"}}};
  write_fixture(place.path, plan,
                {{"a", 1, wavy_losses(3), "bytes", 1, nothing},
                 {"b", 1, wavy_losses(2.9), "bytes", 1, nothing}});
  const Report report = build_report(place.path);
  for (const std::string& format : report_formats())
    CHECK(report_as(format, report).find("nan") == std::string::npos);
  CHECK(report_as_markdown(report).find("no finite number") != std::string::npos);
}

TEST_CASE("a seed without arrays was left out without a word", "[unit]") {
  const TemporaryFolder place;
  std::vector<FixtureTrial> trials;
  for (const int64_t seed : {1, 2, 3}) {
    trials.push_back({"a", seed, wavy_losses(3)});
    trials.push_back({"b", seed, wavy_losses(2.9 + 0.01 * static_cast<double>(seed))});
  }
  write_fixture(place.path, {}, trials);
  fs::remove(arrays_path(place.path, fixture_id("b", 2)));
  const StudyData data = read_study_data(place.path);
  const Comparison c = compare_losses(data.variant("b"), data.variant("a"));
  CHECK(c.n_seeds == 2);
  REQUIRE(c.left_out.size() == 1);
  CHECK(c.left_out[0].starts_with("seed 2: losses per document are missing"));
  CHECK(report_as_markdown(build_report(place.path)).find("b against a: without seed 2") !=
        std::string::npos);
}

TEST_CASE("seeds that scored other documents were averaged by their place in the list", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3)},
                 {"b", 1, wavy_losses(2.9)},
                 {"a", 2, wavy_losses(3), "bytes", 500},
                 {"b", 2, wavy_losses(2.9), "bytes", 500}});
  const StudyData data = read_study_data(place.path);
  const Comparison c = compare_losses(data.variant("b"), data.variant("a"));
  CHECK(c.n_seeds == 1);
  CHECK(c.left_out == std::vector<std::string>{"seed 2: it scored other documents than seed 1"});
}

TEST_CASE("an excerpt of a report cut characters in two, and --json then failed", "[unit]") {
  const std::string found = "ab −−−−−−−−−−−−−−−−−−−−−−−−−−− 1.5 −−−−−−−−−−−−−−−−−−−−−−−−−−−−−−−−−";
  std::string expected = found;
  expected[expected.find('5')] = '6';
  for (const std::string& text :
       {first_difference(found, expected), first_difference("\xff", "a")}) {
    for (size_t at = 0; at < text.size(); at += utf8_length(text, at))
      REQUIRE(utf8_length(text, at) > 0);
    CHECK_NOTHROW(json(text).dump());
  }
}

TEST_CASE("an array of a shape beyond any file was an internal error", "[unit]") {
  const TemporaryFolder place;
  for (const std::string shape : {"99999999999999999999999, 3", "3037000500, 3037000500, 3"}) {
    write_npy_header(place.path / "x.npy", shape);
    CHECK_THROWS_AS(read_npy(place.path / "x.npy"), UserError);
  }
}

TEST_CASE("too short an array of kept tokens crashed the report", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}});
  const std::string id = fixture_id("b", 1);
  const Record record = read_record(place.path / "records" / (id + ".json"));
  add_to_fixture(place.path, id,
                 {{member_name(array::kKeptByClass, record.evaluations.front().id),
                   npy_array(std::vector<double>{1, 2}, {1, 2})}});
  CHECK_THROWS_WITH(build_report(place.path), Catch::Contains("two counts per class of token"));
}

TEST_CASE("a name with a bar broke its row of the Markdown table", "[unit]") {
  Report report;
  report.tables = {{"T", {{"x", ""}}, {{"a|b\nc", {Cell{"1|2", {}, {}, {}, false, {}, {}}}}}}};
  const std::string text = report_as_markdown(report);
  CHECK(text.find("| a\\|b c  | 1\\|2 |") != std::string::npos);
}

TEST_CASE("an axis of numbers that a double hardly holds took all memory", "[unit]") {
  CHECK(ticks_of({5e-324, 1e-323, true}).empty());
  CHECK(ticks_of({1, 1 + 1e-15, false}).size() <= 10);
  CHECK(ticks_of({0, INFINITY, false}).empty());
  CHECK(ticks_of({0, 10, false}).size() >= 5);
}

TEST_CASE("the root of a file was named with two colons", "[unit]") {
  const TemporaryFolder place;
  write_file_durably(place.path / "plan.json", "[]");
  CHECK_THROWS_WITH(read_plan(place.path),
                    (place.path / "plan.json").string() + ": expected an object, got []");
}

TEST_CASE("what was measured for a claim stood in the table without its records", "[unit]") {
  const TemporaryFolder place;
  Plan plan;
  plan.claims = {{{"claim", "b is better"},
                  {"source", "a paper"},
                  {"metric", "loss_nats_difference"},
                  {"expected", -0.1},
                  {"tolerance", {{"absolute", 0.05}}},
                  {"protocol", {{"architecture", "llama"}}}}};
  write_fixture(place.path, plan, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}});
  bool seen = false;
  for (const Table& table : build_report(place.path).tables)
    for (const Row& row : table.rows)
      if (table.title == "Claims")
        for (const Cell& cell : row.cells)
          if (cell.low) {
            seen = true;
            CHECK(cell.records == std::vector<std::string>{fixture_id("b", 1), fixture_id("a", 1)});
          }
  CHECK(seen);
}

TEST_CASE("a study that measures no loss had a table of comparisons without a number", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}});
  const auto page = [&] { return report_as_markdown(build_report(place.path)); };
  CHECK(page().find("Comparisons") != std::string::npos);
  for (const char* variant : {"a", "b"}) {
    const fs::path file = place.path / "records" / (fixture_id(variant, 1) + ".json");
    Record record = read_record(file);
    record.metrics.clear();
    record.evaluations.clear();
    record.arrays = {};
    add_fixture_accuracy("recall", json::object(), 0.5, 100, record);
    write_record(file, record);
    fs::remove(arrays_path(place.path, record.id));
  }
  CHECK(page().find("Comparisons") == std::string::npos);
  CHECK(page().find("losses per document are missing") == std::string::npos);
}
