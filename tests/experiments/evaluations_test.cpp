// What a trial leaves behind: evaluations of their own, arrays by the keep policy, outcomes.
#include <catch2/catch.hpp>

#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/record.h"
#include "experiments/plan/make_plan.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/trial.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("two windows on two splits each keep their numbers, arrays and intervals",
          "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["base"]["evaluate"] = {
      {{"task", "perplexity"}, {"max_tokens", 500}, {"keep", {"token_losses"}}},
      {{"task", "perplexity"}, {"max_tokens", 500}, {"window", 16}},
      {{"task", "perplexity"}, {"max_tokens", 500}, {"split", "test"}},
      {{"task", "perplexity"}, {"max_tokens", 500}, {"split", "test"}, {"window", 16}}};
  study["seeds"] = {1, 2};
  place.write("tiny.json", study.dump());
  const Ran ran = place.run("run tiny.json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const fs::path folder = place.path("results/tiny");
  for (const Record& record : read_records(folder)) {
    REQUIRE(record.evaluations.size() == 4);
    CHECK(record.headline() == record.evaluations[0].id);
    CHECK(record.find("loss_nats", {{"split", "test"}, {"window", 16}})->value !=
          record.find("loss_nats", {{"split", "test"}, {"window", 32}})->value);
    const NpzFile arrays(arrays_path(folder, record.id));
    for (const RecordedEvaluation& each : record.evaluations) {
      CHECK(arrays.contains(each.id + "/documents"));
      CHECK(arrays.contains(each.id + "/token_losses") == (each.id == record.headline()));
      CHECK(arrays.contains(each.id + "/depths") ==
            (record.variant == "subllm" && record.seed == 1));
    }
    CHECK(arrays.contains("loss_curve"));
  }
  for (const char* text :
       {"## Loss by split and window", "validation split, window 32", "test split, window 16",
        "## Further metrics of perplexity by split and window",
        "stand on the first: validation split, window 32"})
    CHECK_THAT(read_file(folder / "report.md"), Contains(text));
  CHECK(place.run("verify results/tiny --rerun 1").code == 0);
  CHECK(place.run("compare results/tiny subllm llama").code == 0);
  study["base"]["evaluate"][1].erase("window");
  place.write("twice.json", study.dump());
  const Ran twice = place.run("run twice.json --out results/twice");
  CHECK(twice.code == 2);
  CHECK_THAT(twice.err, Contains("/evaluate/1") && Contains("asks the same as /evaluate/0"));
}

TEST_CASE("a trial that asks for what the build lacks is unsupported", "[unit]") {
  const TemporaryFolder place;
  write_file_durably(place.path / "s.json", R"json({
    "study": "s", "question": "?",
    "base": {"model": {"architecture": "llama", "d_model": 16, "n_layers": 1, "n_heads": 1},
             "data": {"train_on": "recall", "context_len": 32},
             "train": {"tokens": 64, "batch_tokens": 32}, "evaluate": [{"task": "recall"}]},
    "variants": {"llama": {}}, "compare_to": "llama"})json");
  Catalog catalog = built_in_catalog();
  const Study study = read_study(place.path / "s.json", {}, 1);
  const Plan plan = make_plan(resolve_study(study, catalog), 1, {}, catalog);
  for (ArchitectureEntry& entry : catalog.architectures)
    entry.make = [](auto&&...) -> std::unique_ptr<LanguageModel> {
      throw Unsupported("no kernel for this here\nand more");
    };
  const Record record =
      run_planned_trial(order_of(plan, plan.trials.at(0)), place.path, catalog, {});
  CHECK(record.outcome == "unsupported");
  CHECK(record.detail == "no kernel for this here");
  CHECK(record.arrays.sha256.empty());
}
