// LongBench's files, prompts and scores (data/readers/longbench.h).
#include "data/readers/longbench.h"

#include <algorithm>

#include "data/text_scores.h"

namespace sublab {
namespace longbench {
namespace {

std::vector<std::string> list_of(DataFiles& files, const JsonLine& line, const char* key,
                                 const std::string& file) {
  const json value = line.value.value(key, json());
  std::vector<std::string> out;
  if (value.is_null()) return out;
  if (!value.is_array()) files.refuse(file, line.line, "needs a list \"" + std::string(key) + "\"");
  for (const json& each : value) {
    if (!each.is_string())
      files.refuse(file, line.line, "needs strings in \"" + std::string(key) + "\"");
    out.push_back(each.get<std::string>());
  }
  return out;
}

LongBenchItem item_of(DataFiles& files, const JsonLine& line, const LongBenchSet& set,
                      const std::string& file) {
  LongBenchItem item;
  item.input = files.text_of(line, "input", file);
  item.context = files.text_of(line, "context", file);
  item.answers = list_of(files, line, "answers", file);
  item.classes = list_of(files, line, "all_classes", file);
  const json length = line.value.value("length", json());
  if (!length.is_number_integer()) files.refuse(file, line.line, "needs a whole number \"length\"");
  item.length = length.get<int64_t>();
  if (item.answers.empty()) files.refuse(file, line.line, "has no answer in \"answers\"");
  if (set.score != LongBenchScore::classification) return item;
  for (const std::string& answer : item.answers)
    if (std::find(item.classes.begin(), item.classes.end(), answer) == item.classes.end())
      files.refuse(file, line.line, "has the answer '" + answer + "', none of its all_classes");
  return item;
}

std::vector<std::string> numbers_in(const std::string& text) {
  std::vector<std::string> out;
  bool inside = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !inside) out.emplace_back();
    if (digit) out.back() += c;
    inside = digit;
  }
  return out;
}

/// Share of the numbers in `answer` that are `wanted`.
double share_of_numbers(const std::string& answer, const std::string& wanted) {
  const auto numbers = numbers_in(answer);
  if (numbers.empty()) return 0;
  return static_cast<double>(std::count(numbers.begin(), numbers.end(), wanted)) /
         static_cast<double>(numbers.size());
}

/// The first number behind the word for a paragraph; "" where the reference has none.
std::string paragraph_of(const std::string& reference) {
  for (const std::string word : {"Paragraph ", "段落"})
    if (const size_t at = reference.find(word); at != std::string::npos)
      if (const auto numbers = numbers_in(reference.substr(at)); !numbers.empty())
        return numbers.front();
  return "";
}

/// The published loop, which passes over the class behind one that it drops.
double class_score(const std::string& answer, const std::string& reference,
                   const std::vector<std::string>& classes) {
  std::vector<std::string> named;
  for (const std::string& each : classes)
    if (answer.find(each) != std::string::npos) named.push_back(each);
  for (size_t i = 0; i < named.size(); ++i)
    if (named[i] != reference && reference.find(named[i]) != std::string::npos)
      named.erase(named.begin() + static_cast<std::ptrdiff_t>(i));
  const bool found = std::find(named.begin(), named.end(), reference) != named.end();
  return found ? 1 / static_cast<double>(named.size()) : 0;
}

std::string without_leading_line_ends(const std::string& text) {
  const size_t begin = text.find_first_not_of('\n');
  return begin == std::string::npos ? "" : text.substr(begin);
}

/// The first line that is neither comment nor markup.
std::string code_line(const std::string& answer) {
  const std::string text = without_leading_line_ends(answer);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_of("`#") == std::string::npos && line.find("//") == std::string::npos)
      return line;
    begin = end + 1;
  }
  return "";
}

std::string in_characters(const std::string& text) {
  return join(text_scores::characters(text), " ");
}

double score_of(const LongBenchSet& set, const LongBenchItem& item, const std::string& answer,
                const std::string& reference) {
  using namespace text_scores;
  switch (set.score) {
    case LongBenchScore::answer_f1:
      return answer_f1(answer, reference);
    case LongBenchScore::answer_f1_zh:
      return overlap_f1(characters(normalised_chinese_answer(answer)),
                        characters(normalised_chinese_answer(reference)));
    case LongBenchScore::rouge_l:
      return rouge_l_of_sentences(answer, reference);
    case LongBenchScore::rouge_l_zh:
      return rouge_l_of_sentences(in_characters(answer), in_characters(reference));
    case LongBenchScore::classification:
      return class_score(answer, reference, item.classes);
    case LongBenchScore::retrieval:
      return share_of_numbers(answer, paragraph_of(reference));
    case LongBenchScore::count:
      return share_of_numbers(answer, reference);
    case LongBenchScore::code:
      return edit_similarity(code_line(answer), reference);
  }
  return 0;
}

}  // namespace
}  // namespace longbench

std::vector<LongBenchData> read_longbench(DataFiles& files, const std::vector<std::string>& names,
                                          bool even, const std::string& where) {
  const std::string ending = even ? "_e.jsonl" : ".jsonl";
  std::string folder;
  std::vector<std::string> known, published;
  for (const LongBenchSet& set : longbench_sets()) {
    published.push_back(set.name);
    if (files.has(set.name + ending)) known.push_back(set.name);
  }
  if (known.empty()) {
    folder = "data/";
    for (const std::string& name : published)
      if (files.has(folder + name + ending)) known.push_back(name);
  }
  if (known.empty())
    throw UserError(where, "holds no DATASET" + ending + "; expected LongBench's files (" +
                               join(published) + ")");
  for (const std::string& name : names) {
    if (std::find(published.begin(), published.end(), name) == published.end())
      throw_unknown_name(where, "dataset of LongBench", name, published);
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw UserError(where, "holds no " + folder + name + ending + "; it has " + join(known));
  }
  std::vector<LongBenchData> out;
  for (const LongBenchSet& set : longbench_sets()) {
    const auto& wanted = names.empty() ? known : names;
    if (std::find(wanted.begin(), wanted.end(), set.name) == wanted.end()) continue;
    LongBenchData data{&set, {}};
    const std::string file = folder + set.name + ending;
    for (const JsonLine& line : files.read_json_lines(
             file, "lines of {\"input\", \"context\", \"answers\", \"all_classes\", \"length\"}"))
      data.items.push_back(longbench::item_of(files, line, set, file));
    out.push_back(std::move(data));
  }
  return out;
}

LongBenchPrompt longbench_prompt(const LongBenchSet& set, const LongBenchItem& item) {
  constexpr std::string_view kContext = "{context}", kInput = "{input}";
  const size_t at = set.prompt.find(kContext);
  LongBenchPrompt out{set.prompt.substr(0, at) + item.context,
                      set.prompt.substr(at + kContext.size())};
  if (const size_t input = out.question.find(kInput); input != std::string::npos)
    out.question.replace(input, kInput.size(), item.input);
  return out;
}

double longbench_score(const LongBenchSet& set, const LongBenchItem& item, std::string answer) {
  if (set.first_line) {
    answer = longbench::without_leading_line_ends(answer);
    answer = answer.substr(0, answer.find('\n'));
  }
  double best = 0;
  for (const std::string& reference : item.answers)
    best = std::max(best, longbench::score_of(set, item, answer, reference));
  return best;
}

std::string longbench_bucket(int64_t length) {
  return length < 4000 ? "0-4k" : length < 8000 ? "4-8k" : "8k+";
}

}  // namespace sublab
