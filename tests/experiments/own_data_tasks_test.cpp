// Tasks on a user's data: what they ask, how answers count, and that neither passes nor other rows
// move a score.
#include <catch2/catch.hpp>

#include "core/schema/arrays.h"
#include "data/corpus.h"
#include "experiments/tasks/continuation_scores.h"
#include "experiments/tasks/prompted.h"
#include "experiments/text/text_data.h"
#include "models/parts/lm_head.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

const std::string kBenchmarks = std::string(SUBLAB_SOURCE_ROOT) + "/tests/data/benchmarks/";
constexpr int64_t kBytes = 257;

/// A corpus, its text in bytes, and a model that reads it.
struct Trial {
  TemporaryCache cache;
  TrialConfig config;
  std::optional<TextData> text;
  std::unique_ptr<LanguageModel> model;

  explicit Trial(int64_t context_len = 2048) {
    CorpusManifest manifest;
    manifest.name = "mine";
    manifest.origin = "test";
    write_corpus(manifest, [](const std::function<void(std::string)>& add) {
      for (int i = 0; i < 80; ++i) add("Text number " + std::to_string(i * i) + " of a few.");
    });
    config.data.corpus = {"mine"};
    config.data.tokenizer = "bytes";
    config.data.context_len = context_len;
    text.emplace(config.data, tree_catalog().data);
    model = small_model({{"architecture", "llama"}, {"n_layers", 1}, {"d_model", 16}}, at::kFloat,
                        kBytes);
  }
  TaskContext context() const { return {*model, config, &*text, 1}; }
};

json resolved(const std::string& task, json given, const DataConfig& data,
              const std::string& path = "/evaluate/0") {
  given["task"] = task;
  return tree_catalog().task(task, "").resolve(given, path, data);
}

double value_of(const Evaluation& evaluation, const std::string& name,
                const json& conditions = json::object()) {
  for (const Metric& metric : evaluation.metrics()) {
    bool fits = metric.name == name;
    for (const auto& [key, value] : conditions.items())
      fits = fits && metric.conditions.value(key, json()) == value;
    if (fits) return metric.value.value();
  }
  FAIL("no metric " << name << " " << conditions.dump());
  return 0;
}

/// What a task makes of right answers, or of the same text for all.
Evaluation scored(const std::string& name, const json& asked, const Trial& trial,
                  const std::string& same = "") {
  const TaskEntry& task = tree_catalog().task(name, "");
  const auto questions = task.prompt.ask(asked, trial.context());
  std::vector<Answer> answers;
  for (const Question& question : questions) {
    Answer& answer = answers.emplace_back();
    answer.text = same.empty() ? question.references.front() : same;
    answer.ids = {1};
  }
  Evaluation out(recorded_evaluation(asked, 1, json::object()));
  task.prompt.score(asked, trial.context(), questions, answers, out);
  return out;
}

std::vector<Continuation> random_continuations(int n, int64_t vocab) {
  RandomSequence random(5);
  const auto ids = [&](uint64_t count) {
    std::vector<int64_t> out;
    for (uint64_t i = 0; i < count; ++i)
      out.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab))));
    return out;
  };
  std::vector<Continuation> out;
  for (int i = 0; i < n; ++i) {
    Continuation each;
    each.labels = ids(1 + random.below(4));
    each.inputs = ids(3 + random.below(40));
    each.inputs.insert(each.inputs.end(), each.labels.begin(), each.labels.end() - 1);
    each.first = each.inputs.size() - each.labels.size();
    out.push_back(each);
    if (i % 3 == 0) {  // a second choice behind the same text
      each.labels.back() = (each.labels.back() + 1) % vocab;
      out.push_back(each);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("scores of continuations depend neither on passes nor on other rows",
          "[contract][context]") {
  at::NoGradGuard no_grad;
  for (const json& config :
       {json{{"architecture", "llama"}, {"n_layers", 2}},
        json{{"architecture", "subllm"}, {"n_layers", 3}, {"structure", "T(T)T"}}}) {
    const auto model = fitted(small_model(config));
    auto asked = random_continuations(12, kSmallVocab);
    Run run;
    run.declared_length = 64;
    const auto alone = continuation_scores(*model, asked, run, 1);
    REQUIRE(alone.size() == asked.size());
    for (const int64_t rows : {3, 16}) {
      const auto together = continuation_scores(*model, asked, run, rows);
      for (size_t i = 0; i < alone.size(); ++i) CHECK(together[i] == Approx(alone[i]).margin(1e-4));
    }
    std::reverse(asked.begin(), asked.end());
    const auto turned = continuation_scores(*model, asked, run, 3);
    for (size_t i = 0; i < alone.size(); ++i)
      CHECK(turned[alone.size() - 1 - i] == Approx(alone[i]).margin(1e-4));
    // Against the logits of each row by itself.
    std::reverse(asked.begin(), asked.end());
    for (size_t i = 0; i < asked.size(); ++i) {
      const auto n = static_cast<int64_t>(asked[i].inputs.size());
      const at::Tensor hidden = run_model(
          *model, {at::tensor(asked[i].inputs, at::kLong), Rows::contiguous({n})}, nullptr, run);
      const at::Tensor log_p =
          at::log_softmax(at::matmul(hidden, model->head_weight().t()).to(at::kDouble), -1);
      double sum = 0;
      for (size_t k = 0; k < asked[i].labels.size(); ++k)
        sum += log_p[static_cast<int64_t>(asked[i].first + k)][asked[i].labels[k]].item<double>();
      CHECK(alone[i] == Approx(sum).margin(1e-4));
    }
  }
}

TEST_CASE("multiple_choice answers with the likeliest choice, however it is normalised",
          "[unit][context]") {
  const Trial trial;
  const TaskEntry& task = tree_catalog().task("multiple_choice", "");
  const auto run = [&](const json& more) {
    json given = {{"folder", kBenchmarks + "mmlu"}, {"shots", 2}};
    given.update(more);
    const json asked = resolved("multiple_choice", given, trial.config.data);
    Evaluation out(recorded_evaluation(asked, 1, json::object()));
    run_task(task, asked, trial.context(), out);
    return out;
  };
  const Evaluation all = run(json::object());
  CHECK(all.about().conditions.at("normalization") == "sum");
  CHECK(all.about().conditions.at("name") == "mmlu");
  CHECK_FALSE(all.about().conditions.contains("folder"));
  const double accuracy = value_of(all, "multiple_choice_accuracy", {{"chance", 0.25}, {"n", 5}});
  const double colours = value_of(all, "group_score", {{"group", "colour_theory"}});
  const double numbers = value_of(all, "group_score", {{"group", "small_numbers"}});
  CHECK(100 * accuracy == Approx((3 * colours + 2 * numbers) / 5));
  CHECK(value_of(all, "group_mean_score") == Approx((colours + numbers) / 2));
  CHECK(value_of(all, "prompts_shortened_fraction") == 0);
  CHECK(all.arrays().count(array::kSamples) == 1);
  CHECK(all.arrays().count(array::kAnswers) == 1);
  // One letter is one token and one byte, so that all three say the same.
  for (const char* by : {"per_token", "per_byte"})
    CHECK(value_of(run({{"normalization", by}}), "multiple_choice_accuracy") == accuracy);
  CHECK_NOTHROW(run({{"answers", "text"}, {"normalization", "per_byte"}}));
  CHECK(value_of(run({{"window", 160}}), "prompts_shortened_fraction") == 1);
  CHECK(run({{"part", "validation"}}).about().id != all.about().id);
  CHECK_THROWS_WITH(run({{"window", 4}, {"answers", "text"}}),
                    Contains("take more than the 4 tokens of the window"));
}

TEST_CASE("fewshot_generate counts right answers of every data set right", "[unit][context]") {
  const Trial trial;
  for (const auto& [dataset, n, chance] : std::vector<std::tuple<std::string, int, double>>{
           {"mmlu", 5, 0.25}, {"bbh", 3, 0.5}, {"agieval", 5, 0.2 * (0.5 * 3 + 1.0 / 7)}}) {
    INFO(dataset);
    const json asked = resolved("fewshot_generate",
                                {{"folder", kBenchmarks + dataset},
                                 {"dataset", dataset},
                                 {"shots", dataset == "bbh" ? 0 : 2}},
                                trial.config.data);
    const Evaluation right = scored("fewshot_generate", asked, trial);
    // Of a law question two letters are right together, one is none; and of mathematics without
    // dollar signs the last number counts.
    const double wanted = dataset == "agieval" ? 0.6 : 1;
    CHECK(value_of(right, "fewshot_generate_accuracy", {{"n", n}}) == Approx(wanted));
    CHECK(value_of(right, dataset + "_accuracy") == Approx(wanted));
    for (const Metric& metric : right.metrics())
      if (metric.name == "fewshot_generate_accuracy")
        CHECK(metric.conditions.at("chance").get<double>() == Approx(chance));
    CHECK(value_of(scored("fewshot_generate", asked, trial, "zzz"), "fewshot_generate_accuracy") ==
          0);
  }
  const json asked = resolved(
      "fewshot_generate",
      {{"folder", kBenchmarks + "classification"}, {"dataset", "classification"}, {"shots", 2}},
      trial.config.data);
  CHECK(asked.at("seeds").size() == 16);
  CHECK(asked.at("max_new_tokens") == 0);
  const Evaluation draws = scored("fewshot_generate", asked, trial);
  CHECK(value_of(draws, "fewshot_generate_accuracy", {{"n", 16 * 10}}) == 1);
  CHECK(value_of(draws, "draw_score", {{"group", "sst2"}, {"draw", 57}}) == 100);
  CHECK(value_of(draws, "group_draw_sd", {{"group", "sst2"}}) == 0);
  CHECK(value_of(scored("fewshot_generate", asked, trial, " world\nmore"), "group_score",
                 {{"group", "agnews"}}) == 50);
  const auto questions =
      tree_catalog().task("fewshot_generate", "").prompt.ask(asked, trial.context());
  CHECK(questions.at(0).max_tokens == 4);
  CHECK(questions.at(0).max_read == 2044);
  // Draws differ in their demonstrations alone.
  CHECK(questions.at(0).text == questions.at(2).text);
  CHECK(questions.at(0).context != questions.at(2).context);
}

TEST_CASE("longbench and babilong score by data set, length and depth", "[unit][context]") {
  const Trial trial;
  json asked = resolved("longbench", {{"folder", kBenchmarks + "longbench"}}, trial.config.data);
  const Evaluation whole = scored("longbench", asked, trial);
  CHECK(value_of(whole, "longbench_accuracy", {{"n", 3}}) == 1);
  CHECK(value_of(whole, "group_score", {{"group", "hotpotqa"}}) == 100);
  // "Lee" is half of one reference and all of the other; of the second question it is none.
  CHECK(value_of(scored("longbench", asked, trial, "Lee"), "group_score",
                 {{"group", "hotpotqa"}}) == 50);
  asked = resolved("longbench", {{"folder", kBenchmarks + "longbench"}, {"variant", "e"}},
                   trial.config.data);
  CHECK(value_of(scored("longbench", asked, trial), "group_score", {{"group", "hotpotqa, 8k+"}}) ==
        100);
  asked = resolved("babilong", {{"folder", kBenchmarks + "babilong"}}, trial.config.data);
  const Evaluation facts = scored("babilong", asked, trial);
  CHECK(value_of(facts, "babilong_accuracy", {{"n", 4}}) == 1);
  CHECK(value_of(facts, "group_score", {{"group", "qa1, 1k"}}) == 100);
  CHECK(facts.arrays().count(array::kByLengthDepth) == 1);
  CHECK(value_of(scored("babilong", asked, trial, "garden"), "babilong_accuracy") == 0.25);
}

TEST_CASE("a prompt that is too long loses its beginning or its middle", "[unit][context]") {
  Question question;
  const std::vector<int64_t> ids = {9, 1, 2, 3, 4, 5, 6};
  CHECK(cut_to_fit(ids, question) == ids);
  question.max_read = 4;
  CHECK(cut_to_fit(ids, question) == std::vector<int64_t>{9, 4, 5, 6});
  question.cut = Cut::middle;
  CHECK(cut_to_fit(ids, question) == std::vector<int64_t>{9, 1, 5, 6});
  question.max_read = 5;
  CHECK(cut_to_fit(ids, question) == std::vector<int64_t>{9, 1, 5, 6});
  question.max_read = 7;
  CHECK(cut_to_fit(ids, question) == ids);
}

TEST_CASE("prompts on a user's data are cut, answered and counted by the harness",
          "[unit][context]") {
  const Trial trial(96);
  const json asked = resolved("fewshot_generate",
                              {{"folder", kBenchmarks + "mmlu"}, {"shots", 1}, {"max_samples", 1}},
                              trial.config.data);
  Evaluation out(recorded_evaluation(asked, 1, json::object()));
  run_task(tree_catalog().task("fewshot_generate", ""), asked, trial.context(), out);
  CHECK(value_of(out, "prompts_shortened_fraction", {{"n", 2}}) == 1);
  CHECK(value_of(out, "fewshot_generate_accuracy", {{"n", 2}}) <= 1);
}

TEST_CASE("settings of tasks on a user's data are refused by name", "[unit][context]") {
  DataConfig data;
  data.corpus = {"mine"};
  data.tokenizer = "bytes";
  const auto refused = [&](const std::string& task, const json& given) {
    try {
      resolved(task, given, data);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const std::string mmlu = kBenchmarks + "mmlu", bbh = kBenchmarks + "bbh";
  CHECK_THAT(refused("multiple_choice", {{"folder", "gone"}}),
             Contains("/evaluate/0/folder: 'gone' is not there"));
  CHECK_THAT(refused("multiple_choice", {{"folder", mmlu}, {"shot", 1}}),
             Contains("unknown key") && Contains("shots"));
  CHECK_THAT(refused("multiple_choice", {{"folder", mmlu}, {"shots", 1}, {"window", 300}}),
             Contains("/evaluate/0/window: 300 is above data.context_len 256"));
  CHECK_THAT(refused("fewshot_generate", {{"folder", bbh}, {"dataset", "bbh"}}),
             Contains("/evaluate/0/window: 256 tokens hold no prompt beside an answer of 1024"));
  CHECK_THAT(refused("fewshot_generate", {{"folder", bbh}, {"dataset", "bbh"}, {"shots", 5}}),
             Contains("/evaluate/0/shots: is 5; the worked examples of bbh are 3"));
  CHECK_THAT(
      refused("fewshot_generate", {{"folder", mmlu}, {"shots", 1}, {"seeds", json::array({1})}}),
      Contains("/evaluate/0/seeds: draw demonstrations of classification alone"));
  CHECK_THAT(refused("fewshot_generate", {{"folder", bbh}, {"shots", 1}}),
             Contains("/evaluate/0/folder: holds no test/SUBJECT_test.csv"));
  CHECK_THAT(refused("longbench", {{"folder", mmlu}}), Contains("holds no DATASET.jsonl"));
  CHECK_THAT(refused("babilong",
                     {{"folder", kBenchmarks + "babilong"}, {"lengths", json::array({"4kb"})}}),
             Contains("/evaluate/0/lengths/0: '4kb' is no length"));
  CHECK_THAT(refused("multiple_choice", {{"folder", mmlu}, {"shots", 1}, {"content", "0123"}}),
             Contains("/evaluate/0/content: is 0123, but what") && Contains("have changed"));
  data.train_on = {{"task", "recall"}, {"n_pairs", 4}};
  CHECK_THAT(refused("multiple_choice", {{"folder", mmlu}, {"shots", 1}}),
             Contains("has no tokenizer"));
}
