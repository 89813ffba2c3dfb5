// Reads BIG-Bench Hard and takes answers apart (data/readers/bbh.h).
#include "data/readers/bbh.h"

#include <algorithm>
#include <set>

#include "data/text_scores.h"

namespace sublab {
namespace bbh {

/// Tasks whose answer is no letter of an option.
bool is_free(const std::string& task) {
  static const std::set<std::string> names = {"multistep_arithmetic_two", "navigate",
                                              "dyck_languages",           "word_sorting",
                                              "sports_understanding",     "boolean_expressions",
                                              "object_counting",          "formal_fallacies",
                                              "causal_judgement",         "web_of_lies"};
  return names.contains(task);
}

/// Between the first "answer is " and the next one, without blanks around; all of a text without.
std::string behind_answer_is(const std::string& text) {
  constexpr std::string_view kMark = "answer is ";
  const size_t first = text.find(kMark);
  if (first == std::string::npos) return text;
  const size_t begin = first + kMark.size();
  return text_scores::stripped(text.substr(begin, text.find(kMark, begin) - begin));
}

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

/// The first letter in brackets, else the first capital, else the text.
std::string option_in(const std::string& text) {
  for (size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '(' && is_capital(text[i + 1])) return text.substr(i + 1, 1);
  const auto found = std::find_if(text.begin(), text.end(), is_capital);
  return found == text.end() ? text : std::string(1, *found);
}

std::string first_line_of(const std::string& text) {
  std::string out = text.substr(0, text.find('\n'));
  if (out.ends_with('.')) out.pop_back();
  return out;
}

BbhTask read_task(DataFiles& files, const std::string& folder, const std::string& prompts,
                  const std::string& name) {
  BbhTask task;
  task.name = name;
  const std::string file = folder + name + ".json", prompt = prompts + name + ".txt";
  constexpr const char* kExpected = "{\"examples\": [{\"input\", \"target\"}]}";
  const json read = json::parse(files.read(file, kExpected), nullptr, false);
  if (read.is_discarded()) files.refuse(file, 0, "is no JSON; expected " + std::string(kExpected));
  const json examples = read.is_object() ? read.value("examples", json()) : json();
  if (!examples.is_array() || examples.empty())
    files.refuse(file, 0, "has no list \"examples\"; expected " + std::string(kExpected));
  for (size_t i = 0; i < examples.size(); ++i) {
    const json& each = examples[i];
    if (!each.is_object() || !each.value("input", json()).is_string() ||
        !each.value("target", json()).is_string())
      files.refuse(file, 0,
                   "/examples/" + std::to_string(i) + " has no strings \"input\" and \"target\"");
    task.questions.push_back({each["input"], each["target"]});
  }
  const std::string text = files.read(prompt, "a line \"-----\" and three worked examples");
  constexpr std::string_view kRule = "-----\n";
  const size_t rule = text.find(kRule);
  if (rule == std::string::npos)
    files.refuse(prompt, 0, "has no line \"-----\" before its worked examples");
  const size_t begin = rule + kRule.size();
  task.examples = text.substr(begin, text.find(kRule, begin) - begin);
  return task;
}

}  // namespace bbh

std::vector<BbhTask> read_bbh(DataFiles& files, const std::vector<std::string>& names,
                              const std::string& where) {
  std::string folder = files.first_of({"bbh", "BBH/bbh"});
  const std::string prompts = files.first_of(
      {"cot-prompts", folder.starts_with("BBH") ? "BBH/cot-prompts" : "cot-prompts"});
  if (!folder.empty()) folder += "/";
  const auto known = files.names(folder, ".json");
  if (known.empty() || prompts.empty())
    throw UserError(where, "holds no " +
                               std::string(known.empty() ? "bbh/TASK.json" : "cot-prompts") +
                               "; expected the folder of BIG-Bench Hard with bbh/*.json and "
                               "cot-prompts/*.txt");
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw_unknown_name(where, "task of BIG-Bench Hard", name, known);
  std::vector<BbhTask> out;
  for (const std::string& name : names.empty() ? known : names)
    out.push_back(bbh::read_task(files, folder, prompts + "/", name));
  return out;
}

std::string bbh_examples(const BbhTask& task) {
  return "Follow the given examples and answer the question.\n" + task.examples + "\n\n";
}

std::string bbh_question(const BbhTask::Question& question) {
  return "Q:" + question.input + "\nA: Let's think step by step.";
}

std::string bbh_answer(const std::string& task, const std::string& text) {
  const std::string answer = bbh::behind_answer_is(text);
  return bbh::first_line_of(bbh::is_free(task) ? answer : bbh::option_in(answer));
}

std::string bbh_target(const std::string& task, const std::string& target) {
  return bbh::is_free(task) ? target : bbh::option_in(bbh::behind_answer_is(target));
}

}  // namespace sublab
