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

namespace {

/// A study of a Llama and of SUBLLM at 0.5, of equal cost by `match`.
json matched(const json& match, const json& changes = json::object()) {
  json subllm = {
      {"model.architecture", "subllm"}, {"model.structure", "T(T)T"}, {"model.retention", 0.5}};
  subllm.update(changes);
  return {{"base", {{"model", {{"n_layers", 3}, {"d_model", 32}}}}},
          {"variants", {{"subllm", subllm}}},
          {"compare_to", "llama"},
          {"match", json::array({match})}};
}

json solving(const std::string& by, const std::string& key, double tolerance = 0.05) {
  return {{"by", by}, {"solve", key}, {"tolerance", tolerance}, {"variants", {"llama", "subllm"}}};
}

const json& config_of(const Plan& plan, const std::string& variant) {
  for (const PlannedTrial& trial : plan.trials)
    if (trial.variant == variant) return trial.config;
  throw std::logic_error(variant);
}

std::string error_of(const json& edits) {
  try {
    plan_of(edits);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("tokens of equal training FLOPs are picked, whole batches, nearest first", "[unit]") {
  const Plan plan = plan_of(matched(solving("train_flops", "train.tokens")));
  REQUIRE(plan.solved.size() == 1);
  const SolvedValue& solved = plan.solved[0];
  CHECK(solved.variant == "subllm");
  CHECK(solved.reference == "llama");
  const int64_t tokens = solved.value;
  CHECK(tokens > 4096);
  CHECK(tokens % 256 == 0);
  CHECK(config_of(plan, "subllm").at("train").at("tokens") == tokens);
  CHECK(config_of(plan, "llama").at("train").at("tokens") == 4096);
  const auto ratio = [&](int64_t n) {
    return solved.ratio * static_cast<double>(n) / static_cast<double>(tokens);
  };
  for (const int64_t other : {tokens - 256, tokens + 256})
    CHECK(std::abs(solved.ratio - 1) <= std::abs(ratio(other) - 1));
  // As if it were typed.
  json typed = matched({{"by", "train_flops"}, {"tolerance", 0.05}}, {{"train.tokens", tokens}});
  CHECK(plan_of(typed).trials.at(1).id == plan.trials.at(1).id);
  CHECK(plan_of(typed).solved.empty());
  // A plan keeps it, and one from before such values is read all the same.
  const TemporaryFolder folder;
  write_plan(folder.path, plan);
  CHECK(write_fields(read_plan(folder.path).solved) == write_fields(plan.solved));
  json old = json::parse(read_file(folder.path / "plan.json"));
  old.erase("solved");
  write_file_durably(folder.path / "plan.json", old.dump());
  CHECK(read_plan(folder.path).solved.empty());
}

TEST_CASE("width, depth and retention are picked, too", "[unit]") {
  const Plan wide = plan_of(matched(solving("train_flops", "model.d_model", 0.3),
                                    {{"model.structure", "T(TT)"}, {"model.retention", 0.1}}));
  const json& model = config_of(wide, "subllm").at("model");
  CHECK(model.at("d_model") == wide.solved.at(0).value);
  CHECK(model.at("d_model") > 32);
  CHECK(model.at("d_model").get<int64_t>() % 4 == 0);  // two heads of an even width
  CHECK(model.at("d_ff").get<int64_t>() > config_of(wide, "llama").at("model").at("d_ff"));
  json deep = matched(solving("parameters", "model.n_layers", 0.2));
  deep["variants"]["subllm"] = {{"model.d_model", 24}};
  CHECK(plan_of(deep).solved.at(0).value > 3);
  CHECK(config_of(plan_of(deep), "subllm").at("model").at("n_layers") ==
        plan_of(deep).solved.at(0).value);
  // A width of two heads comes in steps of four; the inner width is any number.
  const Plan inner = plan_of(matched(solving("parameters", "model.d_ff", 0.01)));
  CHECK(config_of(inner, "subllm").at("model").at("d_ff") == inner.solved.at(0).value);
  CHECK(inner.solved.at(0).ratio == Approx(1).margin(0.01));
  json kept = matched(solving("train_flops", "model.retention", 0.02));
  kept["match"][0]["variants"] = {"half", "subllm"};
  kept["variants"]["half"] = kept["variants"]["subllm"];
  kept["variants"]["subllm"] = {{"model.architecture", "subllm"}, {"model.structure", "TT(T)"}};
  const Plan same = plan_of(kept);
  CHECK(same.solved.at(0).reference == "half");  // compare_to is none of them
  CHECK(same.solved.at(0).value == Approx(0.5).margin(0.05));
}

TEST_CASE("what cannot be picked is refused by name and place", "[unit]") {
  const auto with = [](const std::string& by, const std::string& key) {
    return error_of(matched(solving(by, key)));
  };
  CHECK_THAT(with("train_flops", "model.d_modle"),
             Contains("/match/0/solve: unknown") && Contains("did you mean 'model.d_model'?"));
  CHECK_THAT(with("parameters", "train.tokens"), Contains("/match/0/solve: unknown"));
  CHECK_THAT(with("train_tokens", "train.tokens"), Contains("/match/0/solve: has no effect"));
  CHECK_THAT(with("train_seconds", "train.tokens"), Contains("is measured while trials run"));
  CHECK_THAT(with("peak_memory", "model.d_model"), Contains("is measured while trials run"));
  CHECK_THAT(with("train_flops", "model.n_layers"),
             Contains("the structure 'T(T)T' does not say at which level"));
  CHECK_THAT(error_of(matched(solving("parameters", "model.d_model", 1e-9))),
             Contains("no model.d_model of subllm has the parameters of llama") &&
                 Contains("nearest: 28 (0.") && Contains(" and 32 (1.0"));
  CHECK_THAT(error_of(matched(solving("train_flops", "train.tokens"), {{"train.tokens", 8192}})),
             Contains("/variants/subllm/train.tokens: is picked by /match/0"));
  json twice = matched(solving("train_flops", "train.tokens"));
  twice["match"].push_back(twice["match"][0]);
  CHECK_THAT(error_of(twice), Contains("/match/1: picks train.tokens of subllm a second time"));
  json all = matched({{"by", "train_flops"}, {"solve", "train.tokens"}});
  CHECK_THAT(error_of(all), Contains("/match/0/solve: needs \"variants\""));
}
