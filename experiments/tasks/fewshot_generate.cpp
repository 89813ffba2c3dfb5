// Greedy answers to questions with examples before them, as SUBLLM's authors evaluate
// (XiaoMi/subllm, fewshot_eval): MMLU with 5 examples and 3 new tokens, BIG-Bench Hard with 3
// chains of thought and 1024, AGIEval with 5 and 60, six classification sets with 16 draws of
// demonstrations. A prompt that is too long loses its beginning.
//
//   Article: Oil falls again. Category: business
//
//   Article: The cup is won. Category:          <- and the first line of what follows is the answer
#include <algorithm>
#include <set>

#include "core/schema/metrics.h"
#include "data/readers/agieval.h"
#include "data/readers/bbh.h"
#include "data/readers/choice_questions.h"
#include "data/readers/classification_sets.h"
#include "data/text_scores.h"
#include "experiments/tasks/group_scores.h"
#include "experiments/tasks/own_data.h"

namespace sublab {
namespace fewshot_generate {

struct Config {
  std::string task = "fewshot_generate";
  OwnData data;
  std::string dataset = "mmlu";
  std::vector<std::string> groups;
  int64_t shots = 0;
  int64_t max_new_tokens = 0;
  std::vector<int64_t> seeds;

  template <class F>
  void fields(F& f) {
    f("task", task, "fewshot_generate", one_of({"fewshot_generate"}));
    data.add_fields(f,
                    "folder of the data as published, absolute or relative to where the program is "
                    "run (docs/tasks_on_your_data.md)");
    f("dataset", dataset, "what the folder holds",
      one_of({"mmlu", "bbh", "agieval", "classification"}));
    f("groups", groups, "subjects, tasks or sets that are asked; empty = all that are there");
    f("shots", shots,
      "examples before each question; 0 = mmlu 5, bbh 3 (there are no others), agieval 5, "
      "classification 48",
      within(0, 1000));
    f("max_new_tokens", max_new_tokens,
      "of an answer; 0 = mmlu 3, bbh 1024, agieval 60, classification 3 to 8 by set",
      within(0, 1 << 20));
    f("seeds", seeds, "draws of demonstrations of classification; empty = 42 to 57",
      within(0, 4294967295.0));
  }
  bool draws() const { return dataset == "classification"; }
};

/// A question with what is known of it.
struct Item {
  std::string group;
  std::string examples, question;
  std::vector<std::string> references;
  int64_t max_tokens = 0;
  int64_t draw = 0;
  double chance = 0;
};

struct Items {
  std::vector<Item> items;
  std::string content;
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

/// Whether one more question of a group is asked that has `n` already.
bool takes(const Config& config, size_t n) {
  return config.data.max_samples == 0 || static_cast<int64_t>(n) < config.data.max_samples;
}

Items mmlu(const Config& config, const std::string& where) {
  const ChoiceData data = read_choice_questions(
      config.data.folder, where,
      {.shots = config.shots, .subjects = config.groups, .max_samples = config.data.max_samples});
  Items out;
  out.content = data.content;
  for (const ChoiceSubject& subject : data.subjects) {
    const std::string examples = choice_examples(subject, config.shots);
    for (const ChoiceQuestion& question : subject.questions)
      out.items.push_back({.group = subject.name,
                           .examples = examples,
                           .question = choice_prompt(question),
                           .references = {letter_of(question.answer)},
                           .max_tokens = config.max_new_tokens,
                           .chance = 1 / static_cast<double>(question.choices.size())});
  }
  return out;
}

/// 1 of the options that a question lists; else 1 of the answers that the task knows, where they
/// are few.
double bbh_chance(const BbhTask& task, const BbhTask::Question& question) {
  int n = 0;
  while (question.input.find("\n(" + std::string(1, static_cast<char>('A' + n)) + ")") !=
         std::string::npos)
    ++n;
  if (n > 0) return 1.0 / n;
  std::set<std::string> known;
  for (const BbhTask::Question& each : task.questions) known.insert(each.target);
  constexpr size_t kFew = 4;
  return known.size() <= kFew ? 1 / static_cast<double>(known.size()) : 0;
}

Items bbh(const Config& config, DataFiles& files, const std::string& where) {
  Items out;
  for (const BbhTask& task : read_bbh(files, config.groups, where)) {
    const std::string examples = bbh_examples(task);
    for (size_t i = 0; i < task.questions.size() && takes(config, i); ++i)
      out.items.push_back({.group = task.name,
                           .examples = examples,
                           .question = bbh_question(task.questions[i]),
                           .references = {bbh_target(task.name, task.questions[i].target)},
                           .max_tokens = config.max_new_tokens,
                           .chance = bbh_chance(task, task.questions[i])});
  }
  return out;
}

Items agieval(const Config& config, DataFiles& files, const std::string& where) {
  Items out;
  for (const AgiEvalTask& task : read_agieval(files, config.groups, config.shots, where))
    for (size_t i = 0; i < task.questions.size() && takes(config, i); ++i)
      out.items.push_back({.group = task.name,
                           .examples = task.questions[i].examples,
                           .question = task.questions[i].question,
                           .references = task.questions[i].targets,
                           .max_tokens = config.max_new_tokens,
                           .chance = agieval_chance(task.name, task.questions[i])});
  return out;
}

Items classification(const Config& config, DataFiles& files, const std::string& where) {
  Items out;
  for (const std::string& name : config.groups) classification_set(name, where);
  for (const ClassificationSet& set : classification_sets()) {
    const bool asked =
        std::find(config.groups.begin(), config.groups.end(), set.name) != config.groups.end();
    if (!config.groups.empty() && !asked) continue;
    const ClassificationData data = read_classification(files, set);
    for (const int64_t seed : config.seeds) {
      const auto shown = demonstrations(data, config.shots, static_cast<uint32_t>(seed));
      for (size_t i = 0; i < data.test.size() && takes(config, i); ++i)
        out.items.push_back(
            {.group = set.name,
             .examples = classification_examples(set, shown),
             .question = classification_question(set, data.test[i]),
             .references = {set.labels.at(static_cast<size_t>(data.test[i].label))},
             .max_tokens = config.max_new_tokens > 0 ? config.max_new_tokens : set.max_tokens,
             .draw = seed,
             .chance = 1 / static_cast<double>(set.labels.size())});
    }
  }
  return out;
}

Items load(Config& config, const std::string& path) {
  const std::string where = path + "/" + condition::kFolder;
  Items out;
  if (config.dataset == "mmlu") {
    out = mmlu(config, where);
  } else {
    DataFiles files(config.data.folder, where);
    if (files.is_file())
      throw UserError(where, "'" + config.data.folder + "' is a file; expected the folder of " +
                                 config.dataset);
    out = config.dataset == "bbh"       ? bbh(config, files, where)
          : config.dataset == "agieval" ? agieval(config, files, where)
                                        : classification(config, files, where);
    out.content = files.content();
  }
  config.data.settle_content(path, out.content);
  return out;
}

/// Fills in what the protocol of a data set says.
void settle(Config& config, const std::string& path) {
  if (config.dataset == "bbh" && config.shots != 0 && config.shots != 3)
    throw UserError(path + "/shots", "is " + std::to_string(config.shots) +
                                         "; the worked examples of bbh are 3 to each task");
  if (!config.draws() && !config.seeds.empty())
    throw UserError(path + "/seeds", "draw demonstrations of classification alone; those of " +
                                         config.dataset + " are given");
  if (config.shots == 0) config.shots = config.draws() ? 48 : config.dataset == "bbh" ? 3 : 5;
  if (config.draws() && config.seeds.empty())
    for (int64_t seed = 42; seed <= 57; ++seed) config.seeds.push_back(seed);
  if (config.max_new_tokens == 0 && !config.draws())
    config.max_new_tokens = config.dataset == "mmlu" ? 3 : config.dataset == "bbh" ? 1024 : 60;
  std::sort(config.groups.begin(), config.groups.end());
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  Config config = read(given, path);
  settle(config, path);
  int64_t longest = 0;
  for (const Item& item : load(config, path).items) longest = std::max(longest, item.max_tokens);
  config.data.resolve(path, config.task, data, longest);
  return write_fields(config);
}

std::vector<Question> ask(const json& resolved, const TaskContext&) {
  Config config = read(resolved, "/evaluate");
  std::vector<Question> out;
  for (const Item& item : load(config, "/evaluate").items) {
    Question& question = out.emplace_back();
    question.context = item.examples;
    question.text = item.question;
    question.max_tokens = item.max_tokens;
    question.references = item.references;
    question.max_read = config.data.window - item.max_tokens;
    question.cut = Cut::beginning;
  }
  return out;
}

bool is_right(const Config& config, const Item& item, const std::string& text) {
  if (config.dataset == "bbh") return bbh_answer(item.group, text) == item.references.front();
  if (config.dataset == "agieval")
    return agieval_is_right(item.group, agieval_answer(item.group, text), item.references);
  const std::string begun = text_scores::stripped(text);
  return text_scores::stripped(begun.substr(0, begun.find('\n'))) == item.references.front();
}

void score(const json& resolved, const TaskContext&, const std::vector<Question>& questions,
           const std::vector<Answer>& answers, Evaluation& out) {
  Config config = read(resolved, "/evaluate");
  const std::vector<Item> items = load(config, "/evaluate").items;
  std::vector<Grade> grades;
  std::vector<std::string> groups;
  std::vector<int64_t> draws;
  std::vector<bool> shortened;
  double chance = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    grades.push_back({is_right(config, items[i], answers.at(i).text) ? 1.0 : 0.0});
    groups.push_back(items[i].group);
    draws.push_back(items[i].draw);
    shortened.push_back(answers[i].cut);
    chance += items[i].chance / static_cast<double>(items.size());
  }
  add_grades(questions, answers, grades, chance, out);
  double right = 0;
  for (const Grade& grade : grades) right += grade.right;
  const auto n = static_cast<double>(grades.size());
  out.add(metric::benchmark_accuracy(config.dataset), right / n,
          {{condition::kChance, chance}, {"n", n}, {condition::kRows, n}});
  add_group_scores(groups, grades, out);
  if (config.draws()) add_draw_scores(groups, draws, grades, out);
  add_shortened(shortened, out);
}

}  // namespace fewshot_generate

TaskEntry fewshot_generate_task() {
  TaskEntry entry;
  entry.name = "fewshot_generate";
  entry.summary =
      "greedy answers with examples before them, on MMLU, BBH, AGIEval and six "
      "classification sets of your own";
  entry.source = "arXiv:2406.06571, XiaoMi/subllm fewshot_eval";
  entry.describe = [] { return describe_fields<fewshot_generate::Config>(); };
  entry.resolve = fewshot_generate::resolve;
  entry.prompt = {fewshot_generate::ask, fewshot_generate::score};
  entry.examples = {};  // none without data
  return entry;
}

}  // namespace sublab
