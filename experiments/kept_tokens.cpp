#include "experiments/kept_tokens.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>

namespace sublab {
namespace {

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
}

uint8_t class_index(const char* name) {
  return static_cast<uint8_t>(std::find(kTokenClasses.begin(), kTokenClasses.end(), name) -
                              kTokenClasses.begin());
}

uint8_t class_of(const std::string& text, bool after_letter) {
  if (text.empty()) return class_index("other");
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return class_index("white_space");
  const char c = text[first];
  if (is_letter(c)) return class_index(first == 0 && after_letter ? "word_inside" : "word_start");
  if (std::isdigit(static_cast<unsigned char>(c))) return class_index("digit");
  return class_index(std::ispunct(static_cast<unsigned char>(c)) ? "punctuation" : "other");
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
      out.push_back(class_index("boundary"));
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
    out.push_back(class_of(text, after_letter));
    if (!text.empty()) after_letter = is_letter(text.back());
  }
  return out;
}

std::vector<uint8_t> depths_of(const RecordedKeeps& keeps, const LanguageModel& model, int64_t row,
                               int64_t n_tokens) {
  std::vector<uint8_t> depth(n_tokens, 0);
  const auto levels = model.module_levels();
  // Tokens at the level that is open now and around it, as places at level 0.
  std::vector<std::vector<int64_t>> open(1);
  for (int64_t t = 0; t < n_tokens; ++t) open[0].push_back(t);
  for (size_t m = 0; m < keeps.decided.size(); ++m) {
    open.resize(levels[m]);
    const auto& decided = keeps.decided[m];
    std::vector<int64_t> inner;
    for (size_t i = 0; i < open.back().size(); ++i)
      if (static_cast<size_t>(row) < decided.size() && decided[row].at(i))
        inner.push_back(open.back()[i]);
    for (const int64_t t : inner) depth[t] = std::max(depth[t], static_cast<uint8_t>(levels[m]));
    open.push_back(std::move(inner));
  }
  return depth;
}

}  // namespace sublab
