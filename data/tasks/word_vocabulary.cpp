// Texts to words and back (data/tasks/word_vocabulary.h).
#include "data/tasks/word_vocabulary.h"

#include <stdexcept>

#include "core/hash.h"

namespace sublab {
namespace word_vocabulary {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// The unit that begins at `at`: letters with a blank before them, or one sign.
std::string_view unit_at(std::string_view text, size_t at) {
  size_t end = at + (text[at] == ' ' ? 1 : 0);
  while (end < text.size() && is_letter(text[end])) ++end;
  const bool letters = end > at + (text[at] == ' ' ? 1 : 0);
  return text.substr(at, letters ? end - at : 1);
}

}  // namespace word_vocabulary

WordVocabulary::WordVocabulary(const std::vector<std::string>& texts, const std::string& signs) {
  add(" ");
  for (char digit = '0'; digit <= '9'; ++digit) add(std::string(1, digit));
  for (const char sign : signs) add(std::string(1, sign));
  for (const std::string& text : texts)
    for (size_t at = 0; at < text.size();) {
      const std::string unit(word_vocabulary::unit_at(text, at));
      add(unit);
      at += unit.size();
    }
}

void WordVocabulary::add(const std::string& token) {
  if (ids_.emplace(token, static_cast<int32_t>(tokens_.size())).second) tokens_.push_back(token);
}

std::vector<int32_t> WordVocabulary::encode(std::string_view text) const {
  std::vector<int32_t> out;
  for (size_t at = 0; at < text.size();) {
    const std::string unit(word_vocabulary::unit_at(text, at));
    at += unit.size();
    if (const auto whole = ids_.find(unit); whole != ids_.end()) {
      out.push_back(whole->second);
      continue;
    }
    for (const char sign : unit) {
      const auto found = ids_.find(std::string(1, sign));
      if (found == ids_.end())
        throw std::logic_error("the task's vocabulary lacks '" + std::string(1, sign) + "' of '" +
                               unit + "'");
      out.push_back(found->second);
    }
  }
  return out;
}

std::string WordVocabulary::decode(const std::vector<int32_t>& ids) const {
  std::string out;
  for (const int32_t id : ids)
    if (id >= 0 && id < vocab_size()) out += tokens_[id];
  return out;
}

std::string WordVocabulary::content_hash() const {
  std::string all;
  for (const std::string& token : tokens_) all += token + "\n";
  return short_hash(all);
}

}  // namespace sublab
