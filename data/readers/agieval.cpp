// Reads AGIEval's questions and examples and makes prompts of them (data/readers/agieval.h).
#include "data/readers/agieval.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "data/readers/agieval_kinds.h"
#include "data/readers/python_literal.h"

namespace sublab {
namespace agieval {

bool is_chinese(const std::string& task) {
  static const std::set<std::string> names = {
      "logiqa-zh",        "jec-qa-kd",      "jec-qa-ca",       "gaokao-chinese",
      "gaokao-geography", "gaokao-history", "gaokao-biology",  "gaokao-chemistry",
      "gaokao-physics",   "gaokao-mathqa",  "gaokao-mathcloze"};
  return names.contains(task);
}

bool is_computed(const std::string& task) { return task == "math" || task == "gaokao-mathcloze"; }

bool has_several_answers(const std::string& task) {
  return task == "jec-qa-kd" || task == "jec-qa-ca" || task == "gaokao-physics";
}

namespace {

/// The words of a prompt in the task's language.
struct Phrases {
  const char *exam, *problem, *options, *answer;
};

Phrases phrases_of(const std::string& task) {
  if (is_chinese(task))
    return {"以下是考试中各个问题的答案。\n", "问题 ", "从以下选项中选择:    ", "答案是 "};
  return {"Here are the answers for the problems in the exam.\n", "Problem ",
          "Choose from the following options:    ", "The answer is therefore "};
}

std::string text_or_empty(const json& line, const char* key) {
  const json value = line.value(key, json());
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> texts_of(const json& value) {
  std::vector<std::string> out;
  if (value.is_string()) out.push_back(value.get<std::string>());
  if (value.is_array())
    for (const json& each : value)
      if (each.is_string()) out.push_back(each.get<std::string>());
  return out;
}

/// "Problem 3.   PASSAGE QUESTION\nChoose from the following options:    OPTIONS\n".
std::string problem_text(const json& line, const std::string& task, size_t number,
                         bool with_passage = true) {
  const Phrases phrases = phrases_of(task);
  std::string out = phrases.problem + std::to_string(number) + ".   ";
  if (is_computed(task)) return out + text_or_empty(line, "question") + "\n";
  if (with_passage) out += text_or_empty(line, "passage");
  return out + " " + text_or_empty(line, "question") + "\n" + phrases.options +
         join(texts_of(line.value("options", json())), " ") + "\n";
}

/// A list as Python prints it.
std::string label_text(const json& label) {
  if (!label.is_array()) return label.is_string() ? label.get<std::string>() : "";
  return "['" + join(texts_of(label), "', '") + "']";
}

/// Options of a prompt that is ready: "(A)", "(B)", ... behind the last place that offers them.
int64_t options_in(const std::string& prompt, const std::string& task) {
  const size_t begin = prompt.rfind(phrases_of(task).options);
  if (begin == std::string::npos) return 0;
  int64_t n = 0;
  while (n < 7 && prompt.find("(" + std::string(1, static_cast<char>('A' + n)) + ")", begin) !=
                      std::string::npos)
    ++n;
  return n;
}

/// Examples by task: the columns of the table.
class Examples {
 public:
  Examples(DataFiles& files, const std::string& name, int64_t shots)
      : files_(files), name_(name), shots_(static_cast<size_t>(shots)) {
    if (shots > 0)
      records_ =
          parse_csv(files.read(name, "AGIEval's table of examples, a column a task"),
                    [&](int64_t line, const std::string& what) { files.refuse(name, line, what); });
  }

  /// What stands before a question, and the number of examples in it.
  std::pair<std::string, size_t> of(const std::string& task) const {
    if (shots_ == 0) return {"", 0};
    // One task lacks the passages of another and shares its examples.
    const bool no_passage = task == "sat-en-without-passage";
    const size_t column = column_of(no_passage ? "sat-en" : task);
    std::string out = phrases_of(task).exam;
    size_t n = 0;
    // A sample and its explanation take turns; one without the other is none.
    for (size_t row = 1; row + 1 < records_.size() && n < shots_; row += 2) {
      const std::string sample = field(row, column);
      if (sample.empty() || field(row + 1, column).empty()) continue;
      const auto read = parse_python_literal(sample);
      if (!read || !read->is_object())
        files_.refuse(name_, records_[row].line,
                      "the example of '" + task + "' is no dictionary as Python writes it");
      ++n;
      const json label = read->value(is_computed(task) ? "answer" : "label", json());
      out += problem_text(*read, task, n, !no_passage) + phrases_of(task).answer +
             label_text(label) + "\n\n";
    }
    if (n < shots_ && n == 0) files_.refuse(name_, 0, "has no example for '" + task + "'");
    return {out, n};
  }

 private:
  size_t column_of(const std::string& task) const {
    const auto& header = records_.at(0).fields;
    const auto found = std::find(header.begin(), header.end(), task);
    if (found == header.end()) files_.refuse(name_, 1, "has no column '" + task + "'");
    return static_cast<size_t>(found - header.begin());
  }
  std::string field(size_t row, size_t column) const {
    const auto& fields = records_[row].fields;
    return column < fields.size() ? fields[column] : "";
  }

  DataFiles& files_;
  std::string name_;
  size_t shots_;
  std::vector<CsvRecord> records_;
};

AgiEvalTask prepared(DataFiles& files, const std::string& file, const std::string& name) {
  AgiEvalTask task{name, {}};
  for (const JsonLine& line : files.read_json_lines(file, "lines of {\"context\", \"label\"}")) {
    AgiEvalQuestion question{"", files.text_of(line, "context", file),
                             texts_of(line.value.value("label", json()))};
    if (question.targets.empty()) files.refuse(file, line.line, "has no \"label\"");
    if (!is_computed(name)) question.n_options = options_in(question.question, name);
    task.questions.push_back(std::move(question));
  }
  return task;
}

AgiEvalTask composed(DataFiles& files, const std::string& file, const std::string& name,
                     const Examples& examples) {
  AgiEvalTask task{name, {}};
  const auto [before, n] = examples.of(name);
  for (const JsonLine& line : files.read_json_lines(
           file, "lines of {\"passage\", \"question\", \"options\", \"label\", \"answer\"}")) {
    files.text_of(line, "question", file);
    AgiEvalQuestion question{before, problem_text(line.value, name, n + 1), {}};
    if (name == "sat-en-without-passage")
      question.question = problem_text(line.value, name, n + 1, false);
    const char* key = is_computed(name) ? "answer" : "label";
    question.targets = texts_of(line.value.value(key, json()));
    if (question.targets.empty())
      files.refuse(file, line.line, "has no \"" + std::string(key) + "\"");
    const auto options = texts_of(line.value.value("options", json()));
    question.n_options = static_cast<int64_t>(options.size());
    if (question.n_options == 1) question.n_options = is_chinese(name) ? 4 : 5;  // in one string
    for (const std::string& letter : question.targets)
      if (!is_computed(name) && question.n_options > 0 &&
          (letter.size() != 1 || letter[0] < 'A' || letter[0] - 'A' >= question.n_options))
        files.refuse(file, line.line,
                     "has the label '" + letter + "', none of its " +
                         std::to_string(question.n_options) + " options");
    task.questions.push_back(std::move(question));
  }
  return task;
}

}  // namespace
}  // namespace agieval

std::vector<AgiEvalTask> read_agieval(DataFiles& files, const std::vector<std::string>& names,
                                      int64_t shots, const std::string& where) {
  const std::string ready = files.first_of({"experiment_input/few-shot", "few-shot"});
  std::string folder =
      ready.empty() ? files.first_of({"data/v1_1", "data/v1", "v1_1", "v1"}) : ready;
  const auto known = files.names(folder, ".jsonl");
  if (known.empty())
    throw UserError(where,
                    "holds no TASK.jsonl; expected AGIEval's data/v1 (or v1_1) with "
                    "few_shot_prompts.csv, or experiment_input/few-shot");
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw_unknown_name(where, "task of AGIEval", name, known);
  if (!folder.empty()) folder += "/";
  std::string table = files.first_of({"few_shot_prompts.csv", "data/few_shot_prompts.csv"});
  if (table.empty()) table = "few_shot_prompts.csv";
  const agieval::Examples examples(files, table, ready.empty() ? shots : 0);
  std::vector<AgiEvalTask> out;
  for (const std::string& name : names.empty() ? known : names)
    out.push_back(ready.empty() ? agieval::composed(files, folder + name + ".jsonl", name, examples)
                                : agieval::prepared(files, folder + name + ".jsonl", name));
  return out;
}

double agieval_chance(const std::string& task, const AgiEvalQuestion& question) {
  if (question.n_options == 0) return 0;
  const auto n = static_cast<double>(question.n_options);
  return 1 / (agieval::has_several_answers(task) ? std::exp2(n) - 1 : n);
}

}  // namespace sublab
