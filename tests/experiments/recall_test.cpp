// The recall task against its definition.
#include <catch2/catch.hpp>
#include <cstdio>
#include <map>

#include "data/tasks/recall_rows.h"
#include "experiments/catalog.h"
#include "experiments/plan/resolve.h"
#include "experiments/train/train.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// The map of accuracies holds the very questions and answers that the metric counts.
void check_map(const Evaluation& out) {
  const NpyArray& map = out.arrays().at("by_length_depth");
  REQUIRE(map.shape == std::vector<int64_t>{8, 5, 4});
  const auto values = map.as_doubles();
  double right = 0, asked = 0;
  for (size_t i = 0; i < values.size(); i += 4) right += values[i + 2], asked += values[i + 3];
  CHECK(asked == out.metrics().at(0).conditions.at("n").get<double>());
  CHECK(right / asked == *out.metrics().at(0).value);
  // 48 tokens in eighths, fifths of the way to the query; the first eighth only states pairs.
  CHECK(values[0] == 6);
  CHECK(values[4 * 39] == 48);
  CHECK(values[4 * 39 + 1] == 0.9);
  CHECK(values[3] == 0);
  CHECK(values[4 * 39 + 3] > 0);
}

const Metric& metric_of(const Evaluation& out, const std::string& name) {
  for (const Metric& metric : out.metrics())
    if (metric.name == name) return metric;
  throw std::out_of_range(name);
}

/// Right and asked of each row are those that the metric counts.
void check_answers(const Evaluation& out, int64_t n_rows) {
  const NpyArray& answers = out.arrays().at("answers");
  REQUIRE(answers.shape == std::vector<int64_t>{n_rows, 2});
  CHECK(out.arrays().at("answer_keys").shape == std::vector<int64_t>{n_rows});
  const auto values = answers.as_doubles();
  double right = 0, asked = 0;
  for (size_t i = 0; i < values.size(); i += 2) right += values[i], asked += values[i + 1];
  const Metric& accuracy = metric_of(out, "recall_accuracy");
  CHECK(asked == accuracy.conditions.at("n").get<double>());
  CHECK(right / asked == *accuracy.value);
  CHECK(accuracy.conditions.at("in_row_chance") == 0.25);
  CHECK(*metric_of(out, "answers_in_row_fraction").value >= *accuracy.value);
}

/// Trains `model` on recall as `data` and `train` say and returns its accuracy.
double recall_accuracy(const json& model_config, const DataConfig& data,
                       const TrainConfig& train_config) {
  const Catalog catalog = built_in_catalog();
  const auto& task = catalog.task("recall", "");
  const json resolved = task.resolve({{"task", "recall"}, {"n_rows", 256}}, "/evaluate/0", data);
  const auto rows = catalog.row_maker("recall", "").rows(data.train_on, data.context_len, 1);
  const auto& entry = catalog.architecture(model_config.at("architecture"), "");
  const auto model = entry.make(entry.resolve(model_config, "/model", catalog.parts),
                                rows->vocab_size(), 1, catalog.parts);
  const auto result = train(*model, *rows, train_config, 1, {});
  REQUIRE(result.outcome == "ok");
  TrialConfig config;
  config.data = data;
  Evaluation out(recorded_evaluation(resolved, task.numerics_version, json::object()));
  task.evaluate(resolved, {*model, config, nullptr, 1}, out);
  check_map(out);
  check_answers(out, 256);
  return *out.metrics().at(0).value;
}

}  // namespace

TEST_CASE("recall says which tokens matter, and the oracle needs a task that says so", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const auto rows =
      catalog.row_maker("recall", "").rows({{"task", "recall"}, {"n_pairs", 2}}, 10, 1);
  CHECK(rows->row(0).hints == std::vector<double>{1, 1, 1, 1, 1, 0, 1, 0, 1, 0});
  CHECK(make_batch(*rows, 0, 3).batch.hints.numel() == 30);

  json given = {{"model", {{"architecture", "subllm"}, {"scorer", "oracle"}}},
                {"data", {{"train_on", "recall"}}}};
  CHECK(chosen_type(resolve_trial(given, "s", catalog).model.at("gate")) == "one");
  given["data"] = {{"corpus", {"gcide"}}};
  CHECK_THROWS_WITH(resolve_trial(given, "s", catalog),
                    Contains("s/model/scorer: 'oracle' reads which tokens matter, but "
                             "data.train_on text does not say it; allowed with data.train_on "
                             "recall"));
  given["model"] = {{"architecture", "subllm"}, {"train_scorer", "oracle"}};
  CHECK_THROWS_WITH(resolve_trial(given, "s", catalog), Contains("s/model/train_scorer: 'oracle'"));
}

TEST_CASE("recall says what of each role was kept, and what looking ahead would change", "[unit]") {
  const Catalog catalog = built_in_catalog();
  DataConfig data;
  data.context_len = 48;
  data.train_on = {{"task", "recall"}, {"n_pairs", 4}};
  const auto& task = catalog.task("recall", "");
  const json resolved = task.resolve({{"task", "recall"}, {"n_rows", 32}}, "/evaluate/0", data);
  const auto ask = [&](const char* scorer) {
    const json model_config = {
        {"architecture", "subllm"}, {"structure", "T(T)"}, {"d_model", 32}, {"n_heads", 2},
        {"retention", 0.64},        {"scorer", scorer}};
    const auto& entry = catalog.architecture("subllm", "");
    const auto model = entry.make(entry.resolve(model_config, "/model", catalog.parts),
                                  RecallRows::kVocabSize, 1, catalog.parts);
    TrialConfig config;
    config.data = data;
    Evaluation out(recorded_evaluation(resolved, task.numerics_version, json::object()));
    task.evaluate(resolved, {*model, config, nullptr, 1}, out);
    return out;
  };
  // The oracle keeps what its hints say matters: all but the answers that follow a query.
  const Evaluation oracle = ask("oracle");
  check_answers(oracle, 32);
  const NpyArray& by_role = oracle.arrays().at("kept_by_role");
  REQUIRE(by_role.shape == std::vector<int64_t>{1, 4, 2});
  std::map<std::string, double> shares, seen;
  for (const Metric& metric : oracle.metrics())
    if (metric.name == "role_kept_fraction_1") {
      shares[metric.conditions.at("role")] = *metric.value;
      seen[metric.conditions.at("role")] = metric.conditions.at("n");
    }
  CHECK(shares == std::map<std::string, double>{
                      {"query key", 1}, {"stated key", 1}, {"stated value", 1}, {"answer", 0}});
  CHECK(seen == std::map<std::string, double>{{"query key", 32 * 20},
                                              {"stated key", 32 * 4},
                                              {"stated value", 32 * 4},
                                              {"answer", 32 * 20}});
  CHECK(*metric_of(oracle, "kept_fraction_1").value == Approx(28.0 / 48));
  CHECK(metric_of(oracle, "accuracy_selection_gap").value);
  // A stride keeps its share of every role.
  const Evaluation stride = ask("stride");
  CHECK(*metric_of(stride, "kept_fraction_1").value == Approx(0.64).margin(0.03));
}

TEST_CASE("two layers of attention learn recall, a model without attention does not",
          "[learning]") {
  DataConfig data;
  data.context_len = 48;
  data.train_on = {{"task", "recall"}, {"n_pairs", 4}};
  TrainConfig train_config;
  train_config.tokens = 800'000;
  train_config.batch_tokens = 1536;
  train_config.learning_rate = 6e-3;
  const json two_layers = {
      {"architecture", "llama"}, {"d_model", 64}, {"n_layers", 2}, {"n_heads", 2}};
  CHECK(recall_accuracy(two_layers, data, train_config) > 0.8);
  const json no_layer = {
      {"architecture", "llama"}, {"d_model", 64}, {"n_layers", 0}, {"n_heads", 2}};
  CHECK(recall_accuracy(no_layer, data, train_config) < 0.1);
}

TEST_CASE("recall's accuracy by the level that a pair reached sums to its accuracy",
          "[unit][context]") {
  const Catalog catalog = built_in_catalog();
  DataConfig data;
  data.context_len = 48;
  data.train_on = {{"task", "recall"}, {"n_pairs", 4}};
  const auto& task = catalog.task("recall", "");
  const json resolved =
      task.resolve({{"task", "recall"}, {"n_rows", 32}, {"by_reached", true}}, "/evaluate/0", data);
  for (const char* scorer : {"oracle", "random"}) {
    INFO(scorer);
    const auto& entry = catalog.architecture("subllm", "");
    const auto model = entry.make(entry.resolve({{"architecture", "subllm"},
                                                 {"structure", "T(T)"},
                                                 {"d_model", 32},
                                                 {"n_heads", 2},
                                                 {"retention", 0.64},
                                                 {"scorer", scorer}},
                                                "/model", catalog.parts),
                                  RecallRows::kVocabSize, 1, catalog.parts);
    TrialConfig config;
    config.data = data;
    Evaluation out(recorded_evaluation(resolved, task.numerics_version, json::object()));
    task.evaluate(resolved, {*model, config, nullptr, 1}, out);
    double right = 0;
    std::map<int64_t, double> asked;
    for (const Metric& metric : out.metrics()) {
      if (metric.name != "recall_by_reached_accuracy") continue;
      const double n = metric.conditions.at("n");
      asked[metric.conditions.at("reached")] = n;
      right += n * *metric.value;
    }
    const Metric& all = metric_of(out, "recall_accuracy");
    CHECK(asked[0] + asked[1] == all.conditions.at("n").get<double>());
    CHECK(right == Approx(*all.value * (asked[0] + asked[1])));
    // The oracle keeps every stated key and value, chance some.
    CHECK((asked[0] == 0) == (std::string(scorer) == "oracle"));
    CHECK(asked[1] > 0);
  }
  CHECK_FALSE(task.resolve({{"task", "recall"}}, "/evaluate/0", data).contains("by_reached"));
}
