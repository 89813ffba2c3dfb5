// Depth of each token from recorded decisions; classes of tokens.
#include "experiments/observe/kept_tokens.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>

namespace sublab {
namespace {

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
}

TokenClass class_of(const std::string& text, bool after_letter) {
  if (text.empty()) return TokenClass::other;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return TokenClass::white_space;
  const char c = text[first];
  if (is_letter(c))
    return first == 0 && after_letter ? TokenClass::word_inside : TokenClass::word_start;
  if (std::isdigit(static_cast<unsigned char>(c))) return TokenClass::digit;
  return std::ispunct(static_cast<unsigned char>(c)) ? TokenClass::punctuation : TokenClass::other;
}

/// A module that no token of the row came to has no decisions of it.
bool was_kept(const RecordedKeeps& keeps, size_t module, int64_t row, size_t ordinal) {
  return module < keeps.decided.size() && static_cast<size_t>(row) < keeps.decided[module].size() &&
         keeps.decided[module][row].at(ordinal) != 0;
}

}  // namespace

std::vector<uint8_t> token_classes(const std::vector<int64_t>& ids, const Tokenizer& tokenizer) {
  std::vector<uint8_t> out;
  bool after_letter = false;
  // A piece alone may lose the blank before it, so each is decoded behind a plain full stop.
  const std::vector<int32_t> stop = tokenizer.encode(".");
  const size_t stop_bytes = tokenizer.decode(stop).size();
  std::unordered_map<int64_t, std::string> texts;
  for (const int64_t id : ids) {
    if (id == tokenizer.boundary_id()) {
      out.push_back(static_cast<uint8_t>(TokenClass::boundary));
      after_letter = false;
      continue;
    }
    const auto [known, is_new] = texts.try_emplace(id);
    std::string& text = known->second;
    if (is_new) {
      std::vector<int32_t> pair = stop;
      pair.push_back(static_cast<int32_t>(id));
      text = tokenizer.decode(pair).substr(stop_bytes);
    }
    out.push_back(static_cast<uint8_t>(class_of(text, after_letter)));
    if (!text.empty()) after_letter = is_letter(text.back());
  }
  return out;
}

std::vector<std::vector<int64_t>> parent_places(const RecordedKeeps& keeps,
                                                const LanguageModel& model, int64_t row,
                                                int64_t n_tokens) {
  const auto sites = model.selection_sites();
  std::vector<std::vector<int64_t>> out;
  // Tokens at the level that is open now and around it.
  std::vector<std::vector<int64_t>> open(1);
  for (int64_t t = 0; t < n_tokens; ++t) open[0].push_back(t);
  for (size_t m = 0; m < sites.size(); ++m) {
    open.resize(static_cast<size_t>(sites[m].level));
    out.push_back(open.back());
    std::vector<int64_t> inner;
    for (size_t i = 0; i < out[m].size(); ++i)
      if (was_kept(keeps, m, row, i)) inner.push_back(out[m][i]);
    open.push_back(std::move(inner));
  }
  return out;
}

std::vector<uint8_t> depths_of(const RecordedKeeps& keeps, const LanguageModel& model, int64_t row,
                               int64_t n_tokens) {
  std::vector<uint8_t> depth(n_tokens, 0);
  const auto sites = model.selection_sites();
  const auto parents = parent_places(keeps, model, row, n_tokens);
  for (size_t m = 0; m < parents.size(); ++m)
    for (size_t i = 0; i < parents[m].size(); ++i)
      if (was_kept(keeps, m, row, i))
        depth[parents[m][i]] = std::max(depth[parents[m][i]], static_cast<uint8_t>(sites[m].level));
  return depth;
}

}  // namespace sublab
