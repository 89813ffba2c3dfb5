// Answers against references (data/tasks/answer_scores.h).
#include "data/tasks/answer_scores.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace sublab {
namespace answer_scores {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

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

std::vector<std::string> between_blanks(const std::string& text) {
  return runs(lower(text), [](char c) { return !std::isspace(static_cast<unsigned char>(c)); });
}

std::map<std::string, int> counted_words(const std::string& text) {
  std::map<std::string, int> out;
  for (const std::string& word :
       runs(lower(text), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }))
    ++out[word];
  return out;
}

}  // namespace answer_scores

double first_integer_score(const std::vector<std::string>& references, const std::string& answer) {
  using namespace answer_scores;
  const auto numbers = runs(answer, is_digit);
  return !numbers.empty() && without_zeros(numbers.front()) == without_zeros(references.at(0)) ? 1
                                                                                               : 0;
}

double match_all_score(const std::vector<std::string>& references, const std::string& answer) {
  using namespace answer_scores;
  const std::string said = lower(answer);
  double found = 0;
  for (const std::string& reference : references)
    found += said.find(lower(reference)) != std::string::npos;
  return found / static_cast<double>(references.size());
}

double match_part_score(const std::vector<std::string>& references, const std::string& answer) {
  return match_all_score(references, answer) > 0 ? 1 : 0;
}

double word_recall_score(const std::vector<std::string>& references, const std::string& answer) {
  using namespace answer_scores;
  const auto own = between_blanks(answer), wanted = between_blanks(references.at(0));
  const std::set<std::string> said(own.begin(), own.end()), all(wanted.begin(), wanted.end());
  double found = 0;
  for (const std::string& word : all) found += said.contains(word);
  return found / static_cast<double>(all.size());
}

double rouge1_score(const std::string& reference, const std::string& answer) {
  const auto wanted = answer_scores::counted_words(reference),
             said = answer_scores::counted_words(answer);
  double n_wanted = 0, n_said = 0, both = 0;
  for (const auto& [word, n] : wanted) {
    n_wanted += n;
    const auto found = said.find(word);
    if (found != said.end()) both += std::min(n, found->second);
  }
  for (const auto& [word, n] : said) n_said += n;
  return both > 0 ? 2 * both / (n_wanted + n_said) : 0;
}

}  // namespace sublab
