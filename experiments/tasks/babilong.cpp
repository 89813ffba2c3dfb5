// BABILong on a user's copy of its data (arXiv:2406.10149): facts hidden in the text of books,
// asked about behind it. An answer is right whose first sentence names the target and no other
// answer that the task knows, those of the question aside.
//
//   <context>
//   ... Mary went to the kitchen. ... John went to the garden. ...
//   </context>
//
//   Question: Where is Mary?
#include "data/readers/babilong.h"

#include <algorithm>

#include "core/schema/metrics.h"
#include "experiments/tasks/group_scores.h"
#include "experiments/tasks/own_data.h"

namespace sublab {
namespace babilong_task_of {

struct Config {
  std::string task = "babilong";
  OwnData data;
  std::vector<std::string> tasks;
  std::vector<std::string> lengths;
  std::string prompt = "whole";
  int64_t max_new_tokens = 20;

  template <class F>
  void fields(F& f) {
    f("task", task, "babilong", one_of({"babilong"}));
    data.add_fields(
        f,
        "folder with BABILong's TASK/LENGTH.json, or with its data folder; absolute, or "
        "relative to where the program is run");
    f("tasks", tasks, "qa1 to qa10; empty = all that are there");
    f("lengths", lengths, "such as 0k, 4k, 1M; empty = all that are there");
    f("prompt", prompt,
      "whole: instruction, examples and form of the answer before the context, as published; "
      "plain: context and question alone",
      one_of({"whole", "plain"}));
    f("max_new_tokens", max_new_tokens, "of an answer", within(1, 1 << 20));
  }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

std::vector<BabiLongData> load(Config& config, const std::string& path) {
  const std::string where = path + "/" + condition::kFolder;
  for (size_t i = 0; i < config.lengths.size(); ++i)
    if (babilong_length(config.lengths[i]) < 0)
      throw UserError(path + "/lengths/" + std::to_string(i),
                      "'" + config.lengths[i] + "' is no length; expected such as 0k, 4k, 1M");
  DataFiles files(config.data.folder, where);
  if (files.is_file())
    throw UserError(where, "'" + config.data.folder + "' is a file; expected BABILong's folder");
  auto out = read_babilong(files, config.tasks, config.lengths, where);
  if (config.data.max_samples > 0)
    for (BabiLongData& data : out)
      data.items.resize(std::min(data.items.size(), static_cast<size_t>(config.data.max_samples)));
  config.data.settle_content(path, files.content());
  return out;
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  Config config = read(given, path);
  load(config, path);
  config.data.resolve(path, config.task, data, config.max_new_tokens);
  return write_fields(config);
}

std::vector<Question> ask(const json& resolved, const TaskContext&) {
  Config config = read(resolved, "/evaluate");
  std::vector<Question> out;
  for (const BabiLongData& data : load(config, "/evaluate"))
    for (const BabiLongItem& item : data.items) {
      const BabiLongPrompt prompt = babilong_prompt(*data.task, item, config.prompt == "whole");
      Question& question = out.emplace_back();
      question.context = prompt.context;
      question.text = prompt.question;
      question.max_tokens = config.max_new_tokens;
      question.references = {item.target};
      question.length = babilong_length(data.length);
      if (item.depth) question.depth = *item.depth;
      question.max_read = config.data.window - config.max_new_tokens;
      question.cut = Cut::middle;
    }
  return out;
}

void score(const json& resolved, const TaskContext&, const std::vector<Question>& questions,
           const std::vector<Answer>& answers, Evaluation& out) {
  Config config = read(resolved, "/evaluate");
  std::vector<Grade> grades;
  std::vector<std::string> groups;
  std::vector<bool> shortened;
  double chance = 0;
  for (const BabiLongData& data : load(config, "/evaluate"))
    for (const BabiLongItem& item : data.items) {
      const Answer& answer = answers.at(grades.size());
      grades.push_back({babilong_is_right(*data.task, item, answer.text) ? 1.0 : 0.0});
      groups.push_back(data.task->name + ", " + data.length);
      shortened.push_back(answer.cut);
      chance += 1 / static_cast<double>(data.task->labels.size());
    }
  add_grades(questions, answers, grades, chance / static_cast<double>(grades.size()), out);
  add_group_scores(groups, grades, out);
  add_shortened(shortened, out);
}

}  // namespace babilong_task_of

TaskEntry babilong_task() {
  TaskEntry entry;
  entry.name = "babilong";
  entry.summary = "facts hidden in books and asked about, on BABILong's data of your own";
  entry.source = "arXiv:2406.10149";
  entry.describe = [] { return describe_fields<babilong_task_of::Config>(); };
  entry.resolve = babilong_task_of::resolve;
  entry.prompt = {babilong_task_of::ask, babilong_task_of::score};
  entry.examples = {};  // none without data
  return entry;
}

}  // namespace sublab
