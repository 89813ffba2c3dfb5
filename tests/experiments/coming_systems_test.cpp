// Systems of every kind in a study: chosen by its configuration, trained, evaluated and stepped;
// with a task that asks by prompts, and prompt compression.
#include "tests/experiments/coming_systems.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "experiments/kinds.h"
#include "experiments/run/prompt_compressor.h"
#include "tests/experiments/echo_task.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

Catalog with_models() {
  Catalog out = built_in_catalog();
  out.tasks.push_back(echo_task());
  return out;
}

Coming coming_model(const json& model) { return {with_models(), coming_study(model)}; }

}  // namespace

TEST_CASE("architectures of other kinds stand in the catalog like any other", "[contract]") {
  const json hourglass = {{"architecture", "hourglass"}, {"hierarchy", "1@1 1@4 0@1"}};
  const json zipformer = {{"architecture", "zipformer"}, {"stacks", "1@1 1@4"}};
  const json infini = {{"architecture", "infini_transformer"}, {"segment_len", 8}};
  for (const json& model : {hourglass, zipformer, infini}) {
    INFO(model.dump());
    CHECK(coming_model(model).exercise().find("active_fraction"));
  }
  for (const char* name : {"megalodon", "mega"}) {
    INFO(name);
    json study = coming_study({{"architecture", name}, {"chunk_len", 8}});
    for (const char* key : {"n_heads", "n_kv_heads"}) study["model"].erase(key);
    const Record record = Coming(built_in_catalog(), study).exercise();
    CHECK(record.find("active_fraction")->value > 0);
  }
}

TEST_CASE("a router's loss reaches the trainer's, and its scores", "[contract]") {
  json with_loss = {{"architecture", "mixture_of_depths"},
                    {"gate", "one"},
                    {"retention", 0.5},
                    {"decision", "auxiliary_loss"},
                    {"auxiliary_weight", 0.5}};
  json without = with_loss;
  without["decision"] = "scores";
  without.erase("auxiliary_weight");
  const Coming with = coming_model(with_loss), none = coming_model(without);
  with.exercise();
  const auto a = with.make(), b = none.make();
  const StepResult first = with.train(*a), other = none.train(*b);
  CHECK(first.loss_nats == other.loss_nats);  // of the next token alone
  CHECK(first.auxiliary_loss > 0.1);
  CHECK(other.auxiliary_loss == 0);
  CHECK(first.gradient_norm != other.gradient_norm);
  const auto start = with.make();
  for (size_t i = 0; i < start->parameters().size(); ++i) {
    const Parameter now = a->parameters()[i], before = start->parameters()[i];
    if (now.name.find(".scorer.") == std::string::npos) continue;
    INFO(now.name);  // behind gate one nothing but the loss trains it
    CHECK(max_difference(now.tensor, before.tensor) > 1e-4);
  }
}

TEST_CASE("a selector learns a running threshold from what trains", "[contract]") {
  const Coming coming =
      coming_model({{"architecture", "mixture_of_depths"},
                    {"retention", 0.25},
                    {"decision", "scores"},
                    {"evaluate_selector", {{"type", "expert_threshold"}, {"rate", 0.5}}}});
  coming.exercise();
  const auto model = coming.make();
  const auto threshold = [&] {
    for (const Buffer& buffer : model->buffers())
      if (buffer.name == "model.layers.1.router.selector.threshold")
        return buffer.tensor.item<double>();
    FAIL("no such buffer");
    return 0.0;
  };
  CHECK(threshold() == 0);
  Run offline;
  offline.mode = Mode::train;  // without coins: what is looked at, not what is learned
  const Batch batch = make_batch(coming.rows(), 0, 8).batch;
  run_model(*model, batch, nullptr, offline);
  CHECK(threshold() == 0);
  for (int64_t step = 0; step < 8; ++step) coming.train(*model, step);
  CHECK(threshold() != 0);
  RecordedKeeps keeps;
  Run run;
  run.recorded = &keeps;
  run_model(*model, batch, nullptr, run);
  double kept = 0, n = 0;
  for (const auto& row : keeps.decided.at(0))
    for (const uint8_t each : row) kept += each, ++n;
  CHECK(kept / n > 0.1);
  CHECK(kept / n < 0.45);  // at 0 it would be about a half
}

TEST_CASE("a task prompts, compression shortens what is read, and is paid for", "[contract]") {
  json study = coming_study({{"architecture", "llama"}});
  const json shortened = {{"type", "llmlingua"}, {"rate", 0.25}};
  study["evaluate"] = {{{"task", "echo"}},
                       {{"task", "echo"}, {"compression", shortened}},
                       {{"task", "recall"}, {"n_rows", 8}, {"compression", "none"}}};
  const Coming coming(with_models(), study);
  const json whole = {{"type", "llmlingua"},   {"rate", 0.25},  {"segment", 200},
                      {"checkpoint", ""},      {"weights", ""}, {"separator", ""},
                      {"granularity", nullptr}};
  CHECK(coming.config.evaluate[0].at("compression") == json{{"type", "none"}});
  CHECK(coming.config.evaluate[1].at("compression") == whole);
  CHECK_FALSE(coming.config.evaluate[2].contains("compression"));
  const auto model = coming.make(at::kFloat);
  std::vector<Record> records;
  for (size_t i = 0; i < 3; ++i) {
    const TaskContext context{*model, coming.config, nullptr, 1};
    const auto compressor = compressor_of(coming.config.evaluate[i], context, coming.catalog());
    CHECK((compressor != nullptr) == (i < 2));
    records.push_back(coming.evaluate(*model, i, compressor.get()));
  }
  CHECK(records[0].find("echo_read")->value == 2 * (16 + 2));
  CHECK(records[1].find("echo_read")->value == 2 * (4 + 2));
  CHECK(records[1].find("context_kept_fraction")->value == 0.25);
  CHECK(records[1].find("compression_tokens_read")->value == 2 * 17);  // and a boundary
  CHECK(*records[1].find("compression_flops")->value > 0);
  CHECK_FALSE(records[0].find("compression_flops"));
  const json& asked = records[1].evaluations.at(0).conditions;
  CHECK(asked.at("compression") == "llmlingua");
  CHECK(asked.at("compression.rate") == 0.25);
  CHECK_FALSE(records[0].evaluations.at(0).conditions.contains("compression"));
  CHECK(records[0].evaluations.at(0).id != records[1].evaluations.at(0).id);
  // Its version is part of what was asked, and of the trial's id by way of the plan.
  Catalog later = coming.catalog();
  for (CompressionEntry& each : later.compressions) each.numerics_version = 2;
  CHECK(compression_version(coming.config.evaluate[1], coming.catalog()) == 1);
  CHECK(compression_version(coming.config.evaluate[1], later) == 2);
  CHECK(compression_version(coming.config.evaluate[0], later) == 0);
  const auto id = [&](int64_t version) {
    return recorded_evaluation(coming.config.evaluate[1], 1, json::object(), "cpu", version).id;
  };
  CHECK(id(1) != id(2));
  study["evaluate"] = {{{"task", "recall"}, {"compression", shortened}}};
  CHECK_THROWS_WITH(
      Coming(with_models(), study),
      Contains("study/evaluate/0/compression: task recall has no prompts to shorten"));
  study["evaluate"] = {{{"task", "recall"}, {"compression", "no such thing"}}};
  CHECK_THROWS_WITH(Coming(with_models(), study), Contains("has no prompts to shorten"));
  study["evaluate"] = {{{"task", "echo"}, {"compression", "llmlinga"}}};
  CHECK_THROWS_WITH(Coming(with_models(), study), Contains("did you mean 'llmlingua'?"));
}
