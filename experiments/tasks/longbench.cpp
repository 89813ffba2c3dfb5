// LongBench on a user's copy of its data (arXiv:2308.14508): the published prompts, lengths of
// answers and scores, the best over the references; a prompt that is too long loses its middle.
// Chinese words are characters here, where the benchmark cuts them with jieba.
//
//   Answer the question based on the given passages. Only give me the answer and do not output any
//   other words.
//
//   The following are given passages.
//   Passage 1: ...
//
//   Answer the question based on the given passages. ...
//
//   Question: Who wrote it?
//   Answer:
#include "data/readers/longbench.h"

#include <algorithm>

#include "core/schema/metrics.h"
#include "experiments/tasks/group_scores.h"
#include "experiments/tasks/own_data.h"

namespace sublab {
namespace longbench_task_of {

struct Config {
  std::string task = "longbench";
  OwnData data;
  std::vector<std::string> datasets;
  std::string variant = "standard";

  template <class F>
  void fields(F& f) {
    f("task", task, "longbench", one_of({"longbench"}));
    data.add_fields(f,
                    "folder with LongBench's DATASET.jsonl, or with its data folder; absolute, or "
                    "relative to where the program is run");
    f("datasets", datasets, "datasets that are asked; empty = all that are there");
    f("variant", variant,
      "standard; or e: LongBench-E (DATASET_e.jsonl), scored by length, too: 0-4k, 4-8k, 8k+",
      one_of({"standard", "e"}));
  }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

std::vector<LongBenchData> load(Config& config, const std::string& path) {
  const std::string where = path + "/" + condition::kFolder;
  DataFiles files(config.data.folder, where);
  if (files.is_file())
    throw UserError(where, "'" + config.data.folder + "' is a file; expected LongBench's folder");
  auto out = read_longbench(files, config.datasets, config.variant == "e", where);
  if (config.data.max_samples > 0)
    for (LongBenchData& data : out)
      data.items.resize(std::min(data.items.size(), static_cast<size_t>(config.data.max_samples)));
  config.data.settle_content(path, files.content());
  return out;
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  Config config = read(given, path);
  std::sort(config.datasets.begin(), config.datasets.end());
  int64_t longest = 0;
  for (const LongBenchData& each : load(config, path))
    longest = std::max(longest, each.set->max_tokens);
  config.data.resolve(path, config.task, data, longest);
  return write_fields(config);
}

std::vector<Question> ask(const json& resolved, const TaskContext&) {
  Config config = read(resolved, "/evaluate");
  std::vector<Question> out;
  for (const LongBenchData& data : load(config, "/evaluate"))
    for (const LongBenchItem& item : data.items) {
      const LongBenchPrompt prompt = longbench_prompt(*data.set, item);
      Question& question = out.emplace_back();
      question.context = prompt.context;
      question.text = prompt.question;
      question.max_tokens = data.set->max_tokens;
      question.references = item.answers;
      question.max_read = config.data.window - data.set->max_tokens;
      question.cut = Cut::middle;
    }
  return out;
}

void score(const json& resolved, const TaskContext&, const std::vector<Question>& questions,
           const std::vector<Answer>& answers, Evaluation& out) {
  Config config = read(resolved, "/evaluate");
  std::vector<Grade> grades;
  std::vector<std::string> sets, buckets;
  std::vector<bool> shortened;
  for (const LongBenchData& data : load(config, "/evaluate"))
    for (const LongBenchItem& item : data.items) {
      const Answer& answer = answers.at(grades.size());
      grades.push_back({longbench_score(*data.set, item, answer.text)});
      sets.push_back(data.set->name);
      buckets.push_back(data.set->name + ", " + longbench_bucket(item.length));
      shortened.push_back(answer.cut);
    }
  add_grades(questions, answers, grades, 0, out);
  add_group_scores(config.variant == "e" ? buckets : sets, grades, out);
  add_shortened(shortened, out);
}

}  // namespace longbench_task_of

TaskEntry longbench_task() {
  TaskEntry entry;
  entry.name = "longbench";
  entry.summary = "questions, summaries and code over long texts, on LongBench's data of your own";
  entry.source = "arXiv:2308.14508";
  entry.describe = [] { return describe_fields<longbench_task_of::Config>(); };
  entry.resolve = longbench_task_of::resolve;
  entry.prompt = {longbench_task_of::ask, longbench_task_of::score};
  entry.examples = {};  // none without data
  return entry;
}

}  // namespace sublab
