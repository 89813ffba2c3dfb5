// A study on a user's data, run as a user does: data are known by what they hold.
#include <catch2/catch.hpp>

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("a study on data of one's own knows them by content", "[end_to_end][context]") {
  const Workplace place;
  fs::copy(std::string(SUBLAB_SOURCE_ROOT) + "/tests/data/benchmarks/mmlu", place.path("mmlu"),
           fs::copy_options::recursive);
  json study = place.study();
  study["base"]["data"]["context_len"] = 64;
  study["base"]["evaluate"] = {{{"task", "perplexity"}, {"max_tokens", 300}},
                               {{"task", "multiple_choice"}, {"folder", "mmlu"}, {"shots", 1}},
                               {{"task", "fewshot_generate"}, {"folder", "mmlu"}, {"shots", 1}}};
  const auto write = [&] { place.write("tiny.json", study.dump()); };
  write();
  const Ran ran = place.run("run tiny.json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(place.run("verify results/tiny").code == 0);
  CHECK_THAT(read_file(place.path("results/tiny/report.md")),
             Contains("Scores by group in multiple_choice") && Contains("colour_theory"));
  const Record record = read_records(place.path("results/tiny")).at(0);
  CHECK(record.evaluations.at(1).reads != record.evaluations.at(0).reads);
  // One letter more, and the data are others.
  const std::string numbers = "mmlu/test/small_numbers_test.csv";
  const std::string before = read_file(place.path(numbers));
  place.write(numbers, "Three less one is,1,2,3,4,B\n");
  const Ran changed = place.run("run tiny.json");
  CHECK(changed.code == 2);
  CHECK_THAT(changed.err, Contains("evaluate.1.content is"));
  // A trial that is started with the old plan.
  const std::string id = record.id;
  const std::string file = "results/tiny/records/" + id + ".json";
  fs::rename(place.path(file), place.path("kept.json"));
  const Ran old = place.run("trial results/tiny " + id + " --parent $$");
  CHECK(old.code == 2);
  CHECK_THAT(old.err, Contains("/evaluate/1/content") && Contains("the data have changed"));
  fs::rename(place.path("kept.json"), place.path(file));
  // The same data elsewhere are the same.
  place.write(numbers, before);
  fs::rename(place.path("mmlu"), place.path("moved"));
  for (json& entry : study["base"]["evaluate"])
    if (entry.contains("folder")) entry["folder"] = "moved", entry["name"] = "mmlu";
  write();
  CHECK_THAT(place.run("run tiny.json").err, Contains("2 done before"));
  // What is wrong with the data is said before anything is written.
  place.write("moved/test/small_numbers_test.csv", "Three less one is,1,2,3,4,F\n");
  study["study"] = "other";
  write();
  const Ran bad = place.run("run tiny.json");
  CHECK(bad.code == 2);
  CHECK(std::count(bad.err.begin(), bad.err.end(), '\n') == 1);
  CHECK_THAT(bad.err, Contains("/base/evaluate/1/folder: moved/test/small_numbers_test.csv:1: has "
                               "the answer 'F'"));
  CHECK_FALSE(fs::exists(place.path("results/other")));
}
