// Normalised answers, F1, ROUGE and edit similarity (data/text_scores.h).
#include "data/text_scores.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/utf8.h"

namespace sublab::text_scores {
namespace {

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

/// lengths[i][j] is that of the first i and the first j.
std::vector<std::vector<int>> common_lengths(const Words& a, const Words& b) {
  std::vector<std::vector<int>> lengths(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j)
      lengths[i][j] = a[i - 1] == b[j - 1] ? lengths[i - 1][j - 1] + 1
                                           : std::max(lengths[i - 1][j], lengths[i][j - 1]);
  return lengths;
}

/// Of the longest common subsequence, in two rows.
size_t common_length(const Words& a, const Words& b) {
  std::vector<size_t> before(b.size() + 1, 0), now(b.size() + 1, 0);
  for (const std::string& each : a) {
    for (size_t j = 1; j <= b.size(); ++j)
      now[j] = each == b[j - 1] ? before[j - 1] + 1 : std::max(before[j], now[j - 1]);
    std::swap(before, now);
  }
  return before.back();
}

/// The words of one longest common subsequence. Where several are as long, the one that the package
/// `rouge` finds.
std::set<std::string> common_words(const Words& reference, const Words& answer) {
  const auto lengths = common_lengths(reference, answer);
  std::set<std::string> out;
  for (size_t i = reference.size(), j = answer.size(); i > 0 && j > 0;) {
    if (reference[i - 1] == answer[j - 1]) {
      out.insert(reference[i - 1]);
      --i, --j;
    } else if (lengths[i - 1][j] > lengths[i][j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  return out;
}

double share_of_both(size_t common, size_t a, size_t b) {
  return common == 0 ? 0 : 2 * static_cast<double>(common) / static_cast<double>(a + b);
}

/// The words of each sentence. One of blanks alone is the empty word, as cutting "" at blanks
/// gives.
std::vector<Words> sentences(std::string_view text) {
  std::vector<Words> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    if (end > begin) {
      out.push_back(words(text.substr(begin, end - begin)));
      if (out.back().empty()) out.back().emplace_back();
    }
    begin = end + 1;
  }
  return out;
}

std::set<std::string> all_words(const std::vector<Words>& sentences) {
  std::set<std::string> out;
  for (const Words& each : sentences) out.insert(each.begin(), each.end());
  return out;
}

}  // namespace

Words words(std::string_view text) {
  Words out;
  bool inside = false;
  for (const char c : text) {
    if (!is_white(c) && !inside) out.emplace_back();
    inside = !is_white(c);
    if (inside) out.back() += c;
  }
  return out;
}

Words characters(std::string_view text) {
  Words out;
  for (size_t at = 0; at < text.size(); at += out.back().size())
    out.emplace_back(text.substr(at, std::max<size_t>(1, utf8_length(text, at))));
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string stripped(std::string_view text) {
  while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::string normalised_answer(std::string_view text) {
  std::string plain = lower_case(text);
  std::erase_if(plain, is_punctuation);
  std::string out;
  for (const std::string& word : words(plain))
    if (word != "a" && word != "an" && word != "the") out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string normalised_chinese_answer(std::string_view text) {
  static const std::set<std::string> marks = [] {
    const Words all = characters(
        "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
        "〔〕〖〗"
        "〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏");
    return std::set<std::string>(all.begin(), all.end());
  }();
  std::string out;
  for (const std::string& each : characters(lower_case(text)))
    if (!is_white(each[0]) && !is_punctuation(each[0]) && each != "\u3000" && !marks.contains(each))
      out += each;
  return out;
}

bool exact_match(std::string_view answer, std::string_view reference) {
  return normalised_answer(answer) == normalised_answer(reference);
}

double overlap_f1(const Words& answer, const Words& reference) {
  std::map<std::string, int64_t> left;
  for (const std::string& word : reference) ++left[word];
  size_t common = 0;
  for (const std::string& word : answer)
    if (const auto found = left.find(word); found != left.end() && found->second > 0)
      --found->second, ++common;
  return share_of_both(common, answer.size(), reference.size());
}

double answer_f1(std::string_view answer, std::string_view reference) {
  return overlap_f1(words(normalised_answer(answer)), words(normalised_answer(reference)));
}

double rouge_1(std::string_view answer, std::string_view reference) {
  return overlap_f1(words(answer), words(reference));
}

double rouge_l(std::string_view answer, std::string_view reference) {
  const Words a = words(answer), b = words(reference);
  return share_of_both(common_length(a, b), a.size(), b.size());
}

double rouge_l_of_sentences(std::string_view answer, std::string_view reference) {
  const auto ours = sentences(answer), theirs = sentences(reference);
  if (ours.empty() || theirs.empty()) return 0;
  std::set<std::string> common;
  for (const Words& sentence : theirs)
    for (const Words& each : ours) common.merge(common_words(sentence, each));
  return share_of_both(common.size(), all_words(ours).size(), all_words(theirs).size());
}

double edit_similarity(std::string_view answer, std::string_view reference) {
  const Words a = characters(answer), b = characters(reference);
  // Of two empty texts, too, the package says 0.
  return std::nearbyint(100 * share_of_both(common_length(a, b), a.size(), b.size())) / 100;
}

}  // namespace sublab::text_scores
