// Tasks of any length, with a prompt stage, and training rows that are data's.
#include <catch2/catch.hpp>

#include "data/tasks/recall_rows.h"
#include "experiments/plan/resolve.h"
#include "experiments/tasks/prompted.h"
#include "experiments/text/text_data.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Asks what follows a run of ids after a context of others; right is what the model itself says.
TaskEntry dummy() {
  TaskEntry entry;
  entry.name = "dummy";
  entry.describe = [] { return std::vector<FieldHelp>{}; };
  entry.prompt.ask = [](const json& resolved, const TaskContext&) {
    std::vector<Question> out;
    for (int64_t i = 0; i < resolved.at("n").get<int64_t>(); ++i) {
      Question question;
      question.context_ids = {1, 2, 3, 4, 5, 6, 7, 8};
      question.ids = {9, 10 + i};
      question.max_tokens = 3;
      out.push_back(question);
    }
    return out;
  };
  entry.prompt.score = [](const json&, const TaskContext&, const std::vector<Question>& questions,
                          const std::vector<Answer>& answers, Evaluation& out) {
    REQUIRE(answers.size() == questions.size());
    double n_read = 0, length = 0;
    for (const Answer& answer : answers) {
      n_read += static_cast<double>(answer.n_read);
      length += static_cast<double>(answer.ids.size());
      CHECK(answer.text.empty());
    }
    out.add("dummy_read", n_read);
    out.add("dummy_length", length);
  };
  return entry;
}

/// Leaves three ids of a context.
class FirstThree : public PromptCompressor {
 public:
  Question compress(const Question& question, CompressionCost&) const override {
    Question shorter = question;
    shorter.context_ids.resize(3);
    return shorter;
  }
};

}  // namespace

TEST_CASE("a task prompts, the harness generates greedily, the task scores", "[unit]") {
  const auto model = small_model({{"architecture", "llama"}, {"n_layers", 1}});
  const TrialConfig config;
  const TaskContext context{*model, config, nullptr, 1};
  const RecordedEvaluation about = recorded_evaluation({{"task", "dummy"}}, 1, json::object());
  Evaluation whole(about), cut(about);
  run_task(dummy(), {{"n", 2}}, context, whole);
  CHECK(whole.metrics().at(0).value == 20);  // ten ids each, read as they are
  CHECK(whole.metrics().at(1).value == 6);
  const FirstThree shorter;
  run_task(dummy(), {{"n", 2}}, context, cut, &shorter);
  CHECK(cut.metrics().at(0).value == 10);
  TaskEntry text = dummy();
  text.prompt.ask = [](const json&, const TaskContext&) {
    Question question;
    question.text = "What?";
    return std::vector<Question>{question};
  };
  CHECK_THROWS_WITH(run_task(text, json::object(), context, cut),
                    Contains("task dummy: asks in text, but the trial has no tokenizer"));
}

TEST_CASE("data.train_on has a short form and an object, and resolves to the object", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const auto resolved = [&](const json& train_on, int64_t context_len = 48) {
    const json given = {{"model", {{"d_model", 16}, {"n_heads", 2}}},
                        {"data", {{"train_on", train_on}, {"context_len", context_len}}},
                        {"evaluate", {{{"task", "recall"}}}}};
    return resolve_trial(given, "s", catalog);
  };
  const json whole = {{"task", "recall"}, {"n_pairs", 4}};
  CHECK(resolved("recall").data.train_on == whole);
  CHECK(resolved({{"task", "recall"}}).data.train_on == whole);
  const TrialConfig eight = resolved({{"task", "recall"}, {"n_pairs", 8}});
  CHECK(eight.data.train_on.at("n_pairs") == 8);
  CHECK(eight.evaluate.at(0).at("n_pairs") == 8);  // asks what was taught
  CHECK(eight.evaluate.at(0).at("length") == 48);
  CHECK(train_task_of("recall") == "recall");
  CHECK(train_task_of(whole) == "recall");
  CHECK(train_task_of(3).empty());
  CHECK_THROWS_WITH(resolved("recal"), Contains("s/data/train_on: unknown rows to train on "
                                                "'recal'; did you mean 'recall'?") &&
                                           Contains("text, recall"));
  CHECK_THROWS_WITH(resolved(3), Contains("s/data/train_on: expected"));
  CHECK_THROWS_WITH(resolved({{"task", "recall"}, {"n_pair", 8}}),
                    Contains("s/data/train_on: unknown key") && Contains("n_pairs"));
  CHECK_THROWS_WITH(resolved({{"task", "recall"}, {"n_pairs", 40}}),
                    Contains("s/data/train_on/n_pairs: 40 pairs leave no room for a query in "
                             "data.context_len 48"));
  json changed = {{"data", {{"train_on", whole}}}};
  set_by_dotted_key(changed, "data.train_on", {{"task", "text"}});
  CHECK(changed["data"]["train_on"] == json{{"task", "text"}});
}

TEST_CASE("recall is asked at lengths of its own", "[unit]") {
  const Catalog catalog = built_in_catalog();
  DataConfig data;
  data.context_len = 48;
  data.train_on = {{"task", "recall"}, {"n_pairs", 4}};
  const TaskEntry& task = catalog.task("recall", "");
  CHECK_THROWS_WITH(task.resolve({{"task", "recall"}, {"length", 8}}, "/evaluate/0", data),
                    Contains("4 pairs leave no room for a query in a length of 8"));
  CHECK_THROWS_WITH(task.resolve({{"task", "recall"}, {"length", 9}}, "/evaluate/0", data),
                    Contains("4 pairs leave no room for a query in a length of 9; that takes 10"));
  CHECK_NOTHROW(task.resolve({{"task", "recall"}, {"length", 10}}, "/evaluate/0", data));
  for (const int64_t length : {8, 9})
    CHECK_THROWS_WITH(catalog.row_maker("recall", "").resolve(data.train_on, "/data", length),
                      Contains("no room for a query in data.context_len"));
  CHECK_NOTHROW(catalog.row_maker("recall", "").resolve(data.train_on, "/data", 10));
  const auto model =
      small_model({{"architecture", "llama"}, {"n_layers", 1}}, at::kFloat, RecallRows::kVocabSize);
  TrialConfig config;
  config.data = data;
  for (const int64_t length : {48, 300, 1024}) {
    const json resolved =
        task.resolve({{"task", "recall"}, {"length", length}, {"n_rows", 20}}, "/evaluate", data);
    Evaluation out(recorded_evaluation(resolved, 1, json::object()));
    run_task(task, resolved, {*model, config, nullptr, 1}, out);
    // Every other token but the pairs' asks.
    const auto accuracy =
        std::find_if(out.metrics().begin(), out.metrics().end(),
                     [](const Metric& metric) { return metric.name == "recall_accuracy"; });
    REQUIRE(accuracy != out.metrics().end());
    const json& about = accuracy->conditions;
    CHECK(about.at("n") == 20.0 * static_cast<double>(length / 2 - 4));
    CHECK(about.at("length") == length);
  }
}

TEST_CASE("a task that is added to a finished trial trains nothing again", "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["base"]["data"] = {{"train_on", {{"task", "recall"}, {"n_pairs", 2}}}, {"context_len", 32}};
  study["base"]["evaluate"] = {{{"task", "recall"}, {"n_rows", 16}}};
  study["variants"] = {{"llama", json::object()}};
  place.write("tiny.json", study.dump());
  const Ran first = place.run("run tiny.json");
  INFO(first.err);
  REQUIRE(first.code == 0);
  const auto weights = [&] {
    for (const auto& entry : fs::directory_iterator(place.path("results/tiny/checkpoints")))
      return fs::last_write_time(entry.path() / "model.safetensors");
    return fs::file_time_type();
  };
  const auto made = weights();
  const Record before = read_records(place.path("results/tiny")).at(0);
  for (const int64_t length : {64, 512})
    study["base"]["evaluate"].push_back({{"task", "recall"}, {"n_rows", 16}, {"length", length}});
  place.write("tiny.json", study.dump());
  const Ran second = place.run("run tiny.json");
  INFO(second.err);
  REQUIRE(second.code == 0);
  CHECK(weights() == made);
  for (const Record& record : read_records(place.path("results/tiny"))) {
    CHECK(record.train_id == before.train_id);
    CHECK(record.times.at("train_seconds") == before.times.at("train_seconds"));
    if (record.id == before.id) continue;
    std::vector<int64_t> lengths;
    for (const Metric& metric : record.metrics)
      if (metric.name == "recall_accuracy") lengths.push_back(metric.conditions.at("length"));
    CHECK(lengths == std::vector<int64_t>{32, 64, 512});
  }
}
