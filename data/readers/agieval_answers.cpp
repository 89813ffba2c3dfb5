// What a model's text answers to a question of AGIEval (data/readers/agieval.h). An answer is
// looked for as the published evaluation does, whose regular expressions stand beside each
// function.
#include <algorithm>
#include <set>

#include "core/utf8.h"
#include "data/readers/agieval.h"
#include "data/readers/agieval_kinds.h"
#include "data/readers/math_answers.h"
#include "data/text_scores.h"

namespace sublab {
namespace agieval {
namespace {

/// The first group of `mark .*?([A-G])`, which does not go beyond a line; "" where there is none.
std::string letter_behind(const std::string& text, const std::string& mark) {
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const size_t found = text.find_first_of("ABCDEFG\n", at + mark.size());
    if (found != std::string::npos && text[found] != '\n') return text.substr(found, 1);
  }
  return "";
}

/// All of [A-F], in their order.
std::vector<std::string> letters_in(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text)
    if (c >= 'A' && c <= 'F') out.emplace_back(1, c);
  return out;
}

/// What stands behind the last "The answer is" of any wording.
std::string without_prefix(std::string text) {
  for (const std::string prefix : {"The answer is therefore", "答案是", "The answer is"})
    if (const size_t at = text.starts_with(prefix) ? 0 : text.rfind(prefix);
        at != std::string::npos)
      text = text_scores::stripped(text.substr(at + prefix.size()));
  return text;
}

std::string behind_equals(const std::string& text) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos) return text;
  const size_t begin = text.find_first_not_of(' ', at + 1);
  return begin == std::string::npos ? "" : text.substr(begin);
}

/// What the last \boxed{...} or \fbox{...} holds; "" where it holds nothing that closes.
std::string boxed(const std::string& text) {
  size_t at = text.rfind("\\boxed");
  if (at == std::string::npos) at = text.rfind("\\fbox");
  if (at == std::string::npos) return "";
  int open = 0;
  for (size_t i = at; i < text.size(); ++i) {
    open += text[i] == '{';
    if (text[i] != '}' || --open != 0) continue;
    constexpr std::string_view kBegin = "\\boxed{";
    const std::string whole = text.substr(at, i + 1 - at);
    if (!whole.starts_with(kBegin)) return "";
    return behind_equals(whole.substr(kBegin.size(), whole.size() - kBegin.size() - 1));
  }
  return "";
}

/// The group of the last `\$(.*)\$`, which does not go beyond a line.
std::string in_dollars(const std::string& text) {
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const size_t first = line.find('$'), last = line.rfind('$');
    if (first != std::string::npos && last > first)
      out = behind_equals(line.substr(first + 1, last - first - 1));
    begin = end + 1;
  }
  return out;
}

/// Whether the character at `at` is a letter, a digit or "_".
bool is_word(const std::string& text, size_t at) {
  if (at >= text.size()) return false;
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80)
    return first == '_' || (first >= '0' && first <= '9') || (first >= 'A' && first <= 'Z') ||
           (first >= 'a' && first <= 'z');
  const std::string mark = text.substr(at, std::max<size_t>(1, utf8_length(text, at)));
  return !(mark.starts_with("\xe2\x80") || mark.starts_with("\xe3\x80") ||  // punctuation
           mark.starts_with("\xef\xbc") || mark.starts_with("\xc2"));
}

bool is_digit(const std::string& text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

/// The last `(?:\$)?\d+(?:\.\d+)?(?![\w\d])`.
std::string last_number(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (!is_digit(text, at)) {
      ++at;
      continue;
    }
    size_t end = at;
    while (is_digit(text, end)) ++end;
    size_t longer = end;
    if (end < text.size() && text[end] == '.' && is_digit(text, end + 1))
      for (++longer; is_digit(text, longer);) ++longer;
    const bool whole = longer > end && !is_word(text, longer);
    if (whole) end = longer;
    const size_t begin = at > 0 && text[at - 1] == '$' ? at - 1 : at;
    if (whole || !is_word(text, end)) out = text.substr(begin, end - begin);
    at = end;
  }
  return out;
}

std::string computed(const std::string& text) {
  const std::string rest = without_prefix(text);
  if (rest.find("\\boxed") != std::string::npos) return boxed(rest);
  const std::string marked = in_dollars(rest);
  if (!marked.empty()) return marked;
  if (rest.find('=') == std::string::npos) return last_number(rest);
  std::string out = behind_equals(rest);
  while (out.ends_with('.')) out.pop_back();
  return out.substr(0, out.find('\\'));
}

}  // namespace
}  // namespace agieval

std::vector<std::string> agieval_answer(const std::string& task, const std::string& text) {
  using namespace agieval;
  if (is_computed(task)) {
    const std::string answer = computed(text);
    return answer.empty() ? std::vector<std::string>{} : std::vector<std::string>{answer};
  }
  if (has_several_answers(task)) return letters_in(text);
  const std::string letter = letter_behind(text, is_chinese(task) ? "答案是" : "answer is ");
  if (!letter.empty()) return {letter};
  const auto letters = letters_in(text);
  return letters.empty() ? std::vector<std::string>{} : std::vector<std::string>{letters.front()};
}

bool agieval_is_right(const std::string& task, const std::vector<std::string>& answer,
                      const std::vector<std::string>& targets) {
  if (answer.empty()) return false;
  if (agieval::is_computed(task)) return is_same_mathematics(answer.front(), targets.front());
  return std::set<std::string>(answer.begin(), answer.end()) ==
         std::set<std::string>(targets.begin(), targets.end());
}

}  // namespace sublab
