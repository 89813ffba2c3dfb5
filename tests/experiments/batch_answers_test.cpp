// Questions are answered in batches, and nobody can tell: answers, samples and scores are the same.
#include <catch2/catch.hpp>

#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "data/tasks/context_tasks.h"
#include "experiments/generate/generate.h"
#include "experiments/generate/generate_rows.h"
#include "experiments/plan/resolve.h"
#include "experiments/tasks/graded.h"
#include "experiments/tasks/prompted.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::vector<int64_t> some_ids(RandomSequence& random, int64_t n) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(static_cast<int64_t>(random.below(kSmallVocab)));
  return out;
}

/// Seventeen prompts of two to forty tokens, whose answers are of one to twelve.
std::vector<PromptRow> some_prompts() {
  RandomSequence random(4, "test");
  std::vector<PromptRow> out;
  for (int64_t i = 0; i < 17; ++i)
    out.push_back({.input = some_ids(random, 2 + static_cast<int64_t>(random.below(39))),
                   .hints = {},
                   .max_tokens = 1 + static_cast<int64_t>(random.below(12))});
  return out;
}

/// Asks them all and keeps what the harness hands back.
TaskEntry asks_prompts(std::vector<Answer>& heard) {
  TaskEntry entry;
  entry.name = "asks";
  entry.prompt.ask = [](const json&, const TaskContext&) {
    std::vector<Question> out;
    for (const PromptRow& row : some_prompts()) {
      Question question;
      question.ids = row.input;
      question.max_tokens = row.max_tokens;
      question.references = {"1"};
      question.length = out.size() < 9 ? 64 : 128;
      question.depth = out.size() % 2 == 0 ? 0.25 : 0.75;
      out.push_back(question);
    }
    return out;
  };
  entry.prompt.score = [&heard](const json&, const TaskContext&,
                                const std::vector<Question>& questions,
                                const std::vector<Answer>& answers, Evaluation& out) {
    heard = answers;
    std::vector<Grade> grades;
    for (const Answer& answer : answers)
      grades.push_back({.right = answer.ids.front() % 3 == 0 ? 1.0 : 0.0});
    add_grades(questions, answers, grades, 0.5, out);
  };
  return entry;
}

/// Gives logits by the last token alone: what follows token t is t + 1. Counts its steps.
class Successor : public LanguageModel {
 public:
  at::Tensor embed(const at::Tensor& tokens) const override {
    return at::one_hot((tokens + 1) % 10, 10).to(at::kFloat);
  }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    rows_.push_back(batch.rows->lengths());
    declared_.push_back(run.declared_length);
    state->advance(*batch.rows);
    return x;
  }
  const at::Tensor& head_weight() const override { return head_; }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t) const override {
    struct NoPast : DecodeState {
      explicit NoPast(int64_t n) : DecodeState(n) {}
      int64_t n_bytes() const override { return 0; }
      std::unique_ptr<DecodeState> fork(const std::vector<int64_t>&) const override {
        return nullptr;
      }
    };
    return std::make_unique<NoPast>(n_rows);
  }
  std::vector<Parameter> parameters() const override { return {}; }
  void add_cost(const CostShape&, Ledger&) const override {}

  mutable std::vector<std::vector<int64_t>> rows_;
  mutable std::vector<int64_t> declared_;

 private:
  at::Tensor head_ = at::eye(10);
};

}  // namespace

TEST_CASE("answers do not depend on the batch, nor on the rows beside them", "[unit][context]") {
  for (const json& config :
       std::vector<json>{{{"architecture", "llama"}, {"n_layers", 2}},
                         {{"architecture", "subllm"}, {"structure", "T(T)"}, {"retention", 0.6}}}) {
    INFO(config.dump());
    const auto model = fitted(small_model(config));
    const TrialConfig trial;
    const TaskContext context{*model, trial, nullptr, 1};
    std::vector<std::vector<std::vector<int64_t>>> all;
    std::vector<NpyMembers> arrays;
    for (const int64_t batch : {1, 3, 16}) {
      std::vector<Answer> heard;
      Evaluation out(recorded_evaluation({{"task", "asks"}, {"batch", batch}}, 1, json::object()));
      CHECK(!out.about().conditions.contains("batch"));
      run_task(asks_prompts(heard), {{"batch", batch}}, context, out);
      all.emplace_back();
      for (const Answer& answer : heard) all.back().push_back(answer.ids);
      arrays.push_back(out.arrays());
    }
    CHECK(all[1] == all[0]);
    CHECK(all[2] == all[0]);
    for (const auto& [name, array] : arrays[0])
      for (const size_t other : {1, 2}) CHECK(arrays[other].at(name).bytes == array.bytes);
    // Each by itself, as `generate` makes it.
    const auto prompts = some_prompts();
    for (size_t i = 0; i < prompts.size(); ++i) {
      GenerateConfig alone;
      alone.max_tokens = prompts[i].max_tokens;
      const auto& input = prompts[i].input;
      CHECK(
          generate(*model, {input.begin() + 1, input.end()}, input.front(), {}, alone, [](int64_t) {
          }).ids == all[0][i]);
    }
  }
}

TEST_CASE("rows that have ended take no further step", "[unit][context]") {
  const Successor model;
  RowsToContinue asked;
  asked.rows = {{.input = {1, 2}, .hints = {}, .max_tokens = 9},  // 3 4 5, then 6 stops it
                {.input = {9, 5}, .hints = {}, .max_tokens = 9},  // stopped at once
                {.input = {6, 7, 7}, .hints = {}, .max_tokens = 2}};
  asked.stop_ids = {6};
  asked.declared_length = 12;
  Activity activity;
  const auto made = continue_greedily(model, asked, activity);
  CHECK(made == std::vector<std::vector<int64_t>>{{3, 4, 5}, {}, {8, 9}});
  CHECK(model.rows_ ==
        std::vector<std::vector<int64_t>>{{2, 2, 3}, {1, 0, 1}, {1, 0, 0}, {1, 0, 0}});
  CHECK(model.declared_ == std::vector<int64_t>(4, 12));
}

TEST_CASE("answers become accuracies, a map, and samples", "[unit][context]") {
  const auto model = fitted(small_model({{"architecture", "llama"}, {"n_layers", 1}}));
  const TrialConfig trial;
  std::vector<Answer> heard;
  Evaluation out(recorded_evaluation({{"task", "asks"}}, 1, json::object()));
  run_task(asks_prompts(heard), {{"batch", 4}}, {*model, trial, nullptr, 1}, out);
  std::map<std::string, double> metrics;
  double by_length = 0;
  for (const Metric& metric : out.metrics()) {
    metrics[metric.name] = *metric.value;
    if (metric.name == "asks_by_length_accuracy") {
      const bool first = metric.conditions.at("context") == 64;
      CHECK(metric.conditions.at("n") == (first ? 9 : 8));
      by_length += *metric.value * metric.conditions.at("n").get<double>();
    }
  }
  CHECK(by_length / 17 == Approx(metrics.at("asks_accuracy")));
  CHECK(metrics.at("empty_answer_fraction") == 0);
  const NpyArray& map = out.arrays().at("by_length_depth");
  CHECK(map.shape == std::vector<int64_t>{2, 2, 4});
  const auto values = map.as_doubles();
  CHECK(values[0] == 64);
  CHECK(values[1] == 0.25);
  CHECK(values[3] + values[7] + values[11] + values[15] == 17);
  const std::string& lines = out.arrays().at("samples").bytes;
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 17);
  const json first = json::parse(lines.substr(0, lines.find('\n')));
  CHECK(first.at("length") == 64);
  CHECK(first.at("depth") == 0.25);
  CHECK(first.at("references") == json{"1"});
  CHECK(first.at("answer_ids") == heard.front().ids);
  CHECK(is_kept("samples", {.tuning = false, .first_seed = true}));
  CHECK(!is_kept("samples", {.tuning = false, .first_seed = false}));
  CHECK(is_empty({.ids = {3}, .text = " \n"}));
  CHECK(!is_empty({.ids = {3}, .text = ""}));  // no text to look at
  CHECK(is_empty({.ids = {}, .text = ""}));
}

TEST_CASE("tasks over long contexts are asked in a vocabulary of their own", "[unit][context]") {
  const Catalog catalog = built_in_catalog();
  const auto resolved = [&](const json& train_on, const json& asked, int64_t context_len = 128) {
    return resolve_trial({{"model", {{"d_model", 16}, {"n_heads", 2}}},
                          {"data", {{"train_on", train_on}, {"context_len", context_len}}},
                          {"evaluate", json::array({asked})}},
                         "s", catalog);
  };
  const TrialConfig config =
      resolved({{"task", "passkey"}, {"largest", 99}}, {{"task", "passkey"},
                                                        {"lengths", {100, 200}},
                                                        {"depths", {0, 100}},
                                                        {"n_per_cell", 3},
                                                        {"batch", 5}});
  const json& asked = config.evaluate.at(0);
  CHECK(asked.at("largest") == 99);  // what was taught
  CHECK(asked.at("batch") == 5);
  const auto words = passkey_context_task().vocabulary();
  const auto model =
      small_model({{"architecture", "llama"}, {"n_layers", 1}}, at::kFloat, words->vocab_size());
  Evaluation out(recorded_evaluation(asked, 1, json::object()));
  run_task(catalog.task("passkey", ""), asked, {*model, config, nullptr, 1}, out);
  CHECK(out.arrays().at("by_length_depth").shape == std::vector<int64_t>{2, 2, 4});
  CHECK(out.metrics().front().conditions.at("chance") == 1.0 / 99);
  CHECK(out.metrics().front().conditions.at("n") == 12);

  const json passkey = {{"task", "passkey"}};
  const auto refused = [&](const json& train_on, json more, const std::string& what) {
    more["task"] = more.value("task", "passkey");
    CHECK_THROWS_WITH(resolved(train_on, more), Contains(what));
  };
  refused(passkey, {{"depths", {0, 101}}}, "s/evaluate/0/depths/1");
  refused(passkey, {{"depths", {-1}}}, "s/evaluate/0/depths/0");
  refused(passkey, {{"depths", {50, 50}}}, "s/evaluate/0/depths/1: depths must ascend");
  refused(passkey, {{"lengths", {128, 30}}}, "s/evaluate/0/lengths/1: 30 tokens hold no prompt");
  refused(passkey, {{"length", 30}}, "lengths");
  refused(passkey, {{"batch", 0}}, "s/evaluate/0/batch");
  refused(passkey, {{"task", "ruler_vt"}},
          "s/evaluate/0: ruler_vt is asked in text, or in a trial");
  refused(passkey, {{"task", "needle"}}, "s/evaluate/0: needle is asked in text; here");
  refused("recall", {{"task", "recall"}, {"batch", 2}}, "batch");
  refused("induction", {{"task", "induction"}, {"lengths", {2}}}, "s/evaluate/0/lengths/0");
  refused("induction", {{"task", "induction"}, {"n_symbols", 8}}, "s/evaluate/0/n_symbols");
}
