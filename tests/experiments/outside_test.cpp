// A program outside the tree runs studies with variants of its own (tests/outside).
#include <catch2/catch.hpp>

#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("a program outside the tree lists, trains and reports its own variants", "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["base"]["model"] = {{"architecture", "llama"}, {"d_model", 16}};
  study["base"]["evaluate"].push_back({{"task", "letters"}, {"max_tokens", 6}});
  study["variants"] = {{"llama", {{"model.n_layers", 2}, {"model.n_heads", 2}}},
                       {"bigram", {{"model.architecture", "bigram"}}},
                       {"parity",
                        {{"model.architecture", "subllm"},
                         {"model.n_heads", 2},
                         {"model.structure", "T(T)"},
                         {"model.scorer", "parity"}}}};
  place.write("tiny.json", study.dump());
  const auto run = [&](const std::string& arguments) {
    return place.run(arguments, "", SUBLAB_OUTSIDE_PROGRAM);
  };
  const Ran listed = run("list");
  for (const char* name : {"bigram", "parity", "letters", "llama", "perplexity"})
    CHECK_THAT(listed.out, Contains(name));
  const Ran ran = run("run tiny.json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto records = read_records(place.path("results/tiny"));
  CHECK(records.size() == 3);
  for (const Record& record : records) {
    INFO(record.variant);
    CHECK(record.outcome == "ok");  // the trial's process knows the variants, too
    CHECK(record.audit.at("verdict") == "causal");
    const Metric* letters = record.find("letters_accuracy");
    REQUIRE(letters);
    CHECK((*letters->value >= 0 && *letters->value <= 1));
  }
  const Ran report = run("report results/tiny");
  for (const char* name : {"bigram", "parity"}) CHECK_THAT(report.out, Contains(name));
  // This tree's program does not know them, and says so.
  const Ran unknown = place.run("run tiny.json --out elsewhere");
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("letters") || Contains("bigram"));
}
