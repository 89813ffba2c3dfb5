// Answers against references (data/tasks/answer_scores.h).
#include "data/tasks/answer_scores.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "data/text_scores.h"

namespace sublab {
namespace answer_scores {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Runs of characters that `takes` takes.
template <class Takes>
std::vector<std::string> runs(const std::string& text, const Takes& takes) {
  std::vector<std::string> out;
  bool within = false;
  for (const char c : text) {
    const bool own = takes(c);
    if (own && !within) out.emplace_back();
    if (own) out.back().push_back(c);
    within = own;
  }
  return out;
}

std::string without_zeros(std::string digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return digits;
}

/// Runs of letters and digits, lower case.
text_scores::Words plain_words(const std::string& text) {
  return runs(text_scores::lower_case(text),
              [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; });
}

}  // namespace answer_scores

double first_integer_score(const std::vector<std::string>& references, const std::string& answer) {
  using namespace answer_scores;
  const auto numbers = runs(answer, is_digit);
  return !numbers.empty() && without_zeros(numbers.front()) == without_zeros(references.at(0)) ? 1
                                                                                               : 0;
}

double match_all_score(const std::vector<std::string>& references, const std::string& answer) {
  const std::string said = text_scores::lower_case(answer);
  double found = 0;
  for (const std::string& reference : references)
    found += said.find(text_scores::lower_case(reference)) != std::string::npos;
  return found / static_cast<double>(references.size());
}

double match_part_score(const std::vector<std::string>& references, const std::string& answer) {
  return match_all_score(references, answer) > 0 ? 1 : 0;
}

double word_recall_score(const std::vector<std::string>& references, const std::string& answer) {
  using namespace text_scores;
  const Words own = words(lower_case(answer)), wanted = words(lower_case(references.at(0)));
  const std::set<std::string> said(own.begin(), own.end()), all(wanted.begin(), wanted.end());
  double found = 0;
  for (const std::string& word : all) found += said.contains(word);
  return found / static_cast<double>(all.size());
}

double rouge1_score(const std::string& reference, const std::string& answer) {
  return text_scores::overlap_f1(answer_scores::plain_words(answer),
                                 answer_scores::plain_words(reference));
}

}  // namespace sublab
