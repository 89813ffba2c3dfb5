// What is still to come beside attention's parts, each a dummy that is added to the catalog as a
// real one would be: architectures, selectors, prompt compression, tasks.
#include "tests/experiments/coming_systems.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "experiments/kinds.h"
#include "experiments/run/prompt_compressor.h"
#include "tests/models/sketches/depths.h"
#include "tests/models/sketches/ladder.h"
#include "tests/models/sketches/segments.h"
#include "tests/models/sketches/shortening.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// The settings of the helpers' configuration, which sketches of a fixed shape do not read.
struct AnySize {
  int64_t d_model = 32, n_heads = 4, n_kv_heads = 2, n_layers = 2;

  template <class F>
  void fields(F& f) {
    f("d_model", d_model, "width", within(1, 1024));
    f("n_heads", n_heads, "heads", within(1, 1024));
    f("n_kv_heads", n_kv_heads, "key heads", within(1, 1024));
    f("n_layers", n_layers, "layers", within(1, 1024));
  }
};

template <class Model>
struct Sized : Model {
  Sized(const AnySize&, int64_t vocab_size, const Initial&) : Model(vocab_size) {}
};

Catalog with_models() {
  Catalog out = built_in_catalog();
  out.architectures.push_back(
      architecture_entry<Depths, DepthsConfig>("depths", "as Mixture-of-Depths", "sketch"));
  out.architectures.push_back(
      architecture_entry<Sized<Ladder>, AnySize>("ladder", "as hourglass", "sketch"));
  out.architectures.push_back(
      architecture_entry<Sized<Segments>, AnySize>("segments", "as Infini-Transformer", "sketch"));
  out.parts.selectors.push_back(running_threshold_selector());
  out.compressions.push_back(surprisal_compression());
  out.tasks.push_back(echo_task());
  return out;
}

Coming coming_model(const json& model) { return {with_models(), coming_study(model)}; }

}  // namespace

TEST_CASE("architectures of other kinds stand in the catalog like any other", "[contract]") {
  for (const char* name : {"ladder", "segments"}) {
    INFO(name);
    CHECK(coming_model({{"architecture", name}}).exercise().find("active_fraction"));
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
  const json model = {{"architecture", "depths"}, {"gate", "one"}, {"retention", 0.5}};
  json weighted = model, without = model;
  weighted["auxiliary_weight"] = 0.5;
  without["auxiliary_weight"] = 0;
  const Coming with = coming_model(weighted), none = coming_model(without);
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
      coming_model({{"architecture", "depths"},
                    {"retention", 0.25},
                    {"train_selector", "top_k"},
                    {"evaluate_selector", {{"type", "running_threshold"}, {"keep", 0.5}}}});
  coming.exercise();
  const auto model = coming.make();
  const auto threshold = [&] {
    for (const Buffer& buffer : model->buffers())
      if (buffer.name == "model.routers.0.selector.threshold") return buffer.tensor.item<double>();
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
  const json shortened = {{"type", "surprisal_sketch"}, {"rate", 0.25}};
  study["evaluate"] = {{{"task", "echo"}},
                       {{"task", "echo"}, {"compression", shortened}},
                       {{"task", "recall"}, {"n_rows", 8}, {"compression", "none"}}};
  const Coming coming(with_models(), study);
  const json whole = {{"type", "surprisal_sketch"}, {"rate", 0.25}, {"checkpoint", ""}};
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
  CHECK(records[1].find("compression_tokens_read")->value == 2 * 16);
  Ledger ledger;
  model->add_cost(CostShape::whole_rows(1, 16), ledger);
  CHECK(*records[1].find("compression_flops")->value == Approx(2 * ledger.flops_causal()));
  CHECK_FALSE(records[0].find("compression_flops"));
  const json& asked = records[1].evaluations.at(0).conditions;
  CHECK(asked.at("compression") == "surprisal_sketch");
  CHECK(asked.at("compression.rate") == 0.25);
  CHECK_FALSE(records[0].evaluations.at(0).conditions.contains("compression"));
  CHECK(records[0].evaluations.at(0).id != records[1].evaluations.at(0).id);
  // Its version is part of what was asked, and of the trial's id by way of the plan.
  Catalog later = coming.catalog();
  later.compressions.back().numerics_version = 2;
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
  study["evaluate"] = {{{"task", "echo"}, {"compression", "surprisal_sketc"}}};
  CHECK_THROWS_WITH(Coming(with_models(), study), Contains("did you mean 'surprisal_sketch'?"));
}

TEST_CASE("a second model may shorten, and its passes are counted", "[contract]") {
  const auto answers = small_model({{"architecture", "llama"}, {"n_layers", 1}});
  const auto open = [](const std::string& name) {
    CHECK(name == "study:small");
    return SecondModel{.model = small_model({{"architecture", "llama"}, {"d_model", 16}}),
                       .tokenizer = nullptr};
  };
  const auto compressor =
      make_choice(std::vector{surprisal_compression()}, "compression",
                  {{"type", "surprisal_sketch"}, {"checkpoint", "study:small"}}, "",
                  {.model = *answers, .tokenizer = nullptr, .seed = 1, .open = open});
  CompressionCost cost;
  Question question;
  question.context_ids = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(compressor->compress(question, cost).context_ids.size() == 4);
  CompressionCost expected, other;
  expected.add_pass(*open("study:small").model, 8);
  other.add_pass(*answers, 8);
  CHECK(cost.flops == expected.flops);
  CHECK(cost.flops != other.flops);
  CHECK(cost.tokens_read == 8);
}
