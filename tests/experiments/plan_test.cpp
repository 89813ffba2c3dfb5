// From a study to a plan: each configuration resolved once, ids that say what they should.
#include <catch2/catch.hpp>
#include <set>

#include "core/schema/trial_order.h"
#include "experiments/plan/make_plan.h"
#include "experiments/plan/resolve_study.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

Study study_of(const json& edits) {
  json given = json::parse(R"json({
    "study": "planned", "question": "?",
    "base": { "model": {"architecture": "llama", "d_model": 16, "n_layers": 1, "n_heads": 2},
              "data": {"train_on": "recall", "context_len": 32},
              "train": {"tokens": 4096, "batch_tokens": 256},
              "evaluate": [{"task": "recall"}] },
    "variants": {"llama": {}} })json");
  given.merge_patch(edits);
  const TemporaryFolder place;
  write_file_durably(place.path / "study.json", given.dump());
  return read_study(place.path / "study.json", {});
}

Plan plan_of(const json& edits) {
  const Catalog catalog = built_in_catalog();
  return make_plan(resolve_study(study_of(edits), catalog), 1, {}, catalog);
}

}  // namespace

TEST_CASE("what is evaluated is part of a trial's id and not of what is trained", "[unit]") {
  const Plan one = plan_of(json::object());
  const json more = {{"task", "recall"}, {"length", 512}};
  const Plan two = plan_of({{"base", {{"evaluate", {{{"task", "recall"}}, more}}}}});
  CHECK(one.trials.at(0).train_id == two.trials.at(0).train_id);
  CHECK(one.trials.at(0).id != two.trials.at(0).id);
  const json taught = {{"base", {{"data", {{"train_on", {{"task", "recall"}, {"n_pairs", 3}}}}}}}};
  CHECK(plan_of(taught).trials.at(0).train_id != one.trials.at(0).train_id);
  const json spelt = {{"base", {{"data", {{"train_on", {{"task", "recall"}, {"n_pairs", 4}}}}}}}};
  CHECK(plan_of(spelt).trials.at(0).id == one.trials.at(0).id);  // the short form's default
}

TEST_CASE("corpora of probes and of grids are a study's too", "[unit]") {
  const TemporaryCache cache;
  const Study study = study_of(
      {{"base",
        {{"data", {{"train_on", "text"}, {"corpus", {"gcide"}}}},
         {"evaluate", json::array({json{{"task", "perplexity"}}})}}},
       {"tune", {{"train.learning_rate", {0.1, 0.2}}, {"set", {{"data.corpus", {"jargon"}}}}}},
       {"probes",
        {{"other",
          {{"set", {{"data.corpus", {"foldoc"}}}}, {"variants", {{"llama", json::object()}}}}}}}});
  CHECK(corpora_of(resolve_study(study, built_in_catalog())) ==
        std::vector<std::string>{"foldoc", "gcide", "jargon"});
}

TEST_CASE("ten thousand trials are a hundred configurations, each resolved once", "[unit]") {
  json rates = json::array(), seeds = json::array();
  for (int i = 1; i <= 100; ++i) {
    rates.push_back(1e-5 * i);
    seeds.push_back(i);
  }
  const Study study =
      study_of({{"sweep", {{"llama", {{"train.learning_rate", rates}}}}}, {"seeds", seeds}});
  const Catalog catalog = built_in_catalog();
  const ResolvedStudy resolved = resolve_study(study, catalog);
  CHECK(resolved.trials.size() == 100);
  Plan plan = make_plan(resolved, 1, {}, catalog);
  REQUIRE(plan.trials.size() == 10000);
  std::set<std::string> ids;
  for (const PlannedTrial& trial : plan.trials) {
    ids.insert(trial.id);
    REQUIRE(plan.find(trial.id) == &trial);
  }
  CHECK(ids.size() == 10000);
  CHECK_FALSE(plan.find("no trial"));
  CHECK_FALSE(plan.find(""));
  PlannedTrial more = plan.trials.back();
  more.id = "one more";
  plan.trials.push_back(more);
  CHECK(plan.find("one more") == &plan.trials.back());
}

TEST_CASE("the process of a trial gets what it needs in a file of its own", "[unit]") {
  const Plan plan =
      plan_of({{"variants", {{"next", {{"train.from", "llama"}, {"train.tokens", 512}}}}}});
  REQUIRE(plan.trials.size() == 2);
  const TemporaryFolder folder;
  write_trial_order(folder.path, order_of(plan, plan.trials.at(1)));
  const TrialOrder read = read_trial_order(folder.path, plan.trials.at(1).id);
  CHECK(write_fields(read.trial) == write_fields(plan.trials.at(1)));
  CHECK(read.from_train_id == plan.trials.at(0).train_id);
  CHECK(read.study == "planned");
  CHECK(read.threads == 1);
  CHECK_THROWS_WITH(read_trial_order(folder.path, "none"), Contains("no trial none is to be done"));
}
