// `sublab report` and `sublab compare` as a user runs them, on a study of seconds.
#include <catch2/catch.hpp>

#include "core/schema/record.h"
#include "tests/analysis/study_fixture.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

void check_refused(const Ran& ran, const std::string& expected) {
  INFO(ran.err);
  CHECK(ran.code == 2);
  CHECK(ran.out.empty());
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK_THAT(ran.err, Contains(expected));
}

}  // namespace

TEST_CASE("a report by trial, and one table of it", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {1, 2}}}).dump());
  REQUIRE(place.run("run tiny.json --out tiny").code == 0);
  for (const Record& record : read_records(place.path("tiny"))) {
    CHECK(record.times.at("train_cpu_seconds").get<double>() > 0);
    CHECK(record.times.at("train_load_at_start").is_number());
    CHECK(record.times.at("train_load_at_end").is_number());
  }
  const Ran csv = place.run("report tiny --per trial");
  CHECK(csv.code == 0);
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 5);
  CHECK_THAT(csv.out, Contains("train.learning_rate") && Contains("times.train_cpu_seconds"));
  const Ran lines = place.run("report tiny --per trial --format jsonl");
  CHECK(json::parse(lines.out.substr(0, lines.out.find('\n'))).at("seed") == 1);
  CHECK(place.run("report tiny --per trial --json").out == lines.out);
  CHECK(place.run("report tiny --per trial --out tiny/trials.csv").code == 0);
  CHECK(place.run("verify tiny").code == 0);
  const Ran table = place.run("report tiny --format tex --table cost");
  CHECK(table.out.starts_with("% Cost, tiny"));
  CHECK_THAT(table.out, Contains("\\begin{tabular}") && !Contains("\\documentclass"));
  check_refused(place.run("report tiny --format tex --table costs"), "did you mean 'cost'?");
  check_refused(place.run("report tiny --table cost"), "--table: goes with --format tex");
  check_refused(place.run("report tiny --per trial --format md"), "as csv or jsonl");
  check_refused(place.run("report tiny --format jsonl"), "--per trial");
  check_refused(place.run("report tiny --json --format md"), "--json");
}

TEST_CASE("compare says nothing that three documents cannot say", "[end_to_end]") {
  const Workplace place;
  write_fixture(place.path("few"), {},
                {{"a", 1, wavy_losses(3, 0.3, 3)}, {"b", 1, wavy_losses(2, 0.35, 3)}});
  const Ran text = place.run("compare few b a");
  CHECK(text.code == 0);
  CHECK_THAT(text.out,
             Contains("no interval and no p-value: fewer than 20 effective documents (3.0)") &&
                 Contains("verdict for these checkpoints: unclear\n") && !Contains("p =") &&
                 !Contains("[") && !Contains("8 times in 10"));
  const json printed = json::parse(place.run("compare few b a --json").out);
  for (const char* key : {"interval", "p_value", "p_value_holm", "smallest_detectable"})
    CHECK(printed.at(key).is_null());
  CHECK(printed.at("verdict") == "unclear");
  const Ran report = place.run("report few --format json");
  CHECK_THAT(report.out, !Contains("e+") && Contains("effective documents"));
}
