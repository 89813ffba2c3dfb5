// A task over long contexts can be learned, and is not answered without.
#include <catch2/catch.hpp>

#include "core/schema/metrics.h"
#include "experiments/plan/resolve.h"
#include "experiments/tasks/prompted.h"
#include "experiments/train/train.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

/// Accuracy by length.
std::map<int64_t, double> by_length(const LanguageModel& model, const TrialConfig& config) {
  const json& asked = config.evaluate.at(0);
  Evaluation out(recorded_evaluation(asked, 1, json::object()));
  const TaskEntry& task = tree_catalog().task(asked.at("task"), "");
  run_task(task, asked, {model, config, nullptr, 1}, out);
  std::map<int64_t, double> result;
  for (const Metric& metric : out.metrics())
    if (metric.name == metric::accuracy_by_length_of(task.name))
      result[metric.conditions.at("context")] = *metric.value;
  return result;
}

}  // namespace

TEST_CASE("a small Llama learns induction, an untrained one does not", "[learning][context]") {
  const TrialConfig config = resolve_trial(
      {{"model", {{"d_model", 64}, {"n_layers", 2}, {"n_heads", 2}}},
       {"data", {{"train_on", "induction"}, {"context_len", 24}}},
       {"train", {{"tokens", 600'000}, {"batch_tokens", 1536}, {"learning_rate", 6e-3}}},
       {"evaluate", {{{"task", "induction"}, {"lengths", {16, 24}}, {"n_rows", 256}}}}},
      "s", tree_catalog());
  const auto rows = tree_catalog().row_maker("induction", "").rows(config.data.train_on, 24, 1);
  const auto& entry = tree_catalog().architecture("llama", "");
  const auto model = entry.make(config.model, rows->vocab_size(), 1, tree_catalog().parts);
  for (const auto& [length, accuracy] : by_length(*model, config)) CHECK(accuracy < 0.25);
  REQUIRE(train(*model, *rows, config.train, 1, {}).outcome == "ok");
  for (const auto& [length, accuracy] : by_length(*model, config)) {
    INFO(length);
    CHECK(accuracy > 0.8);
  }
}
