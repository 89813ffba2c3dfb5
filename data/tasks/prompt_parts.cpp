// Pieces, filler and needles (data/tasks/prompt_parts.h).
#include "data/tasks/prompt_parts.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <unordered_set>

namespace sublab {
namespace prompt_parts {

/// Stands before a piece while it is cut: some tokenizers treat the beginning of a text apart.
constexpr const char* kBefore = "0";

/// " The", " grass", " is", " green." of "The grass is green."; runs of white space count as one.
std::vector<std::string> words_of(const std::string& sentence) {
  std::vector<std::string> out;
  bool within = false;
  for (const char c : sentence) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      within = false;
      continue;
    }
    if (!within) out.push_back(" ");
    within = true;
    out.back().push_back(c);
  }
  return out;
}

}  // namespace prompt_parts

PieceEncoder::PieceEncoder(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), n_before_(tokenizer.encode(prompt_parts::kBefore).size()) {}

std::vector<int64_t> PieceEncoder::ids(const std::string& text) const {
  if (const auto* found = known(text)) return *found;
  if (!text.starts_with(' '))
    throw std::logic_error("a piece begins with a blank, not '" + text + "'");
  const auto all = tokenizer_.encode(prompt_parts::kBefore + text);
  return {all.begin() + static_cast<std::ptrdiff_t>(n_before_), all.end()};
}

const std::vector<int64_t>* PieceEncoder::known(const std::string& text) const {
  const auto found = known_.find(text);
  return found == known_.end() ? nullptr : &found->second;
}

void PieceEncoder::remember(const std::string& text) { known_.emplace(text, ids(text)); }

Filler::Filler(const PieceEncoder& encoder, const std::vector<std::string>& sentences) {
  for (const std::string& text : sentences) {
    Sentence sentence;
    for (const std::string& word : prompt_parts::words_of(text))
      sentence.push_back({word, encoder.ids(word)});
    if (!sentence.empty()) sentences_.push_back(std::move(sentence));
  }
  if (sentences_.empty()) throw std::logic_error("filler of no sentence");
}

int64_t Filler::n_tokens(const Sentence& sentence) {
  int64_t n = 0;
  for (const Piece& word : sentence) n += static_cast<int64_t>(word.ids.size());
  return n;
}

void Draft::open(const std::string& text) {
  for (const int32_t id : encoder_.tokenizer().encode(text)) out_.ids.push_back(id);
  out_.hints.resize(out_.ids.size(), 0);
  out_.context += text;
}

void Draft::add(const std::string& text, bool matters) {
  if (const auto* found = encoder_.known(text)) return add({text, *found}, matters);
  add({text, encoder_.ids(text)}, matters);
}

void Draft::add(const Piece& piece, bool matters) {
  out_.ids.insert(out_.ids.end(), piece.ids.begin(), piece.ids.end());
  out_.hints.resize(out_.ids.size(), matters ? 1 : 0);
  out_.context += piece.text;
}

void Draft::add(const Needle& needle) {
  if (needle.asked && needle.value_at > 0)
    out_.answer_place =
        n_tokens() +
        static_cast<int64_t>(encoder_.ids(needle.text.substr(0, needle.value_at)).size());
  if (needle.asked) out_.depth = needle.depth;
  add(needle.text, needle.asked);
}

void Draft::fill(const Filler& filler, size_t first, int64_t n_filler,
                 const std::vector<Needle>& needles) {
  auto next = needles.begin();
  int64_t done = 0;
  bool full = n_filler <= 0;
  for (size_t s = first; !full; ++s) {
    const Filler::Sentence& sentence = filler.sentence(s);
    const auto middle =
        static_cast<double>(done) +
        static_cast<double>(std::min(Filler::n_tokens(sentence), n_filler - done)) / 2;
    for (; next != needles.end() && middle > next->depth * static_cast<double>(n_filler); ++next)
      add(*next);
    for (const Piece& word : sentence) {
      full = done + static_cast<int64_t>(word.ids.size()) > n_filler;
      if (full) break;
      add(word, false);
      done += static_cast<int64_t>(word.ids.size());
    }
    full = full || done == n_filler;
  }
  for (; next != needles.end(); ++next) add(*next);
}

int64_t Draft::room(const PromptShape& shape, const std::string& question,
                    const std::string& answer) const {
  const auto tokens = [&](const std::string& text) {
    return static_cast<int64_t>(encoder_.ids(text).size());
  };
  const int64_t left =
      shape.length - n_tokens() - tokens(question) - std::max(shape.answer_room, tokens(answer));
  if (left < 0) throw DoesNotFit{shape.length - left};
  return left;
}

Prompt Draft::hide(const PromptShape& shape, const Filler& filler, size_t first,
                   std::vector<Needle> needles, const std::string& question,
                   const std::string& answer, std::vector<std::string> references) {
  int64_t left = room(shape, question, answer);
  for (const Needle& needle : needles)
    left -= static_cast<int64_t>(encoder_.ids(needle.text).size());
  if (left < 0) throw DoesNotFit{shape.length - left};
  std::stable_sort(needles.begin(), needles.end(),
                   [](const Needle& a, const Needle& b) { return a.depth < b.depth; });
  fill(filler, first, left, needles);
  if (std::count_if(needles.begin(), needles.end(),
                    [](const Needle& each) { return each.asked; }) != 1)
    out_.depth = -1, out_.answer_place = -1;
  return close(shape, question, answer, std::move(references));
}

Prompt Draft::close(const PromptShape& shape, const std::string& question,
                    const std::string& answer, std::vector<std::string> references) {
  out_.n_context = out_.ids.size();
  const std::vector<int64_t> asks = encoder_.ids(question);
  out_.ids.insert(out_.ids.end(), asks.begin(), asks.end());
  out_.hints.resize(out_.ids.size(), 1);
  out_.question = question;
  out_.answer = answer;
  out_.answer_ids = encoder_.ids(answer);
  out_.max_tokens = std::max(shape.answer_room, static_cast<int64_t>(out_.answer_ids.size()));
  out_.references = std::move(references);
  return std::move(out_);
}

const std::vector<std::string>& noise_sentences() {
  static const std::vector<std::string> sentences = {"The grass is green.", "The sky is blue.",
                                                     "The sun is yellow.", "Here we go.",
                                                     "There and back again."};
  return sentences;
}

const std::vector<std::string>& plain_words() {
  static const std::vector<std::string> words = {
      "quiet",  "brave",   "gentle",  "bright", "calm",   "clever", "cold",   "curious", "damp",
      "dark",   "deep",    "dry",     "early",  "eager",  "fair",   "fancy",  "fast",    "fierce",
      "firm",   "flat",    "fresh",   "frank",  "glad",   "grand",  "great",  "green",   "happy",
      "hardy",  "heavy",   "high",    "humble", "icy",    "jolly",  "keen",   "kind",    "large",
      "late",   "lazy",    "light",   "little", "lively", "loud",   "lucky",  "merry",   "mild",
      "narrow", "neat",    "noble",   "odd",    "old",    "pale",   "plain",  "polite",  "proud",
      "quick",  "rare",    "rough",   "round",  "sharp",  "shy",    "silent", "smooth",  "sunny",
      "tall",   "river",   "anchor",  "apple",  "arrow",  "badge",  "basket", "beach",   "bell",
      "bird",   "bottle",  "branch",  "bridge", "button", "candle", "canyon", "castle",  "chair",
      "cliff",  "cloud",   "coat",    "copper", "cotton", "crane",  "desert", "door",    "drum",
      "eagle",  "engine",  "feather", "field",  "flute",  "forest", "garden", "glove",   "grape",
      "hammer", "harbor",  "island",  "jacket", "kettle", "ladder", "lake",   "lamp",    "lantern",
      "leaf",   "lemon",   "map",     "marble", "meadow", "mirror", "moon",   "needle",  "ocean",
      "olive",  "orchard", "paper",   "pearl",  "pencil", "pepper", "planet", "ribbon",  "rocket",
      "saddle", "window"};
  return words;
}

std::string compound(uint64_t i) {
  const auto& words = plain_words();
  return words[i / 64 % 64] + "-" + words[64 + i % 64];
}

std::vector<uint64_t> distinct_numbers(RandomSequence& random, size_t n, uint64_t below) {
  std::vector<uint64_t> out;
  std::unordered_set<uint64_t> seen;
  while (out.size() < n) {
    const uint64_t each = random.below(below);
    if (seen.insert(each).second) out.push_back(each);
  }
  return out;
}

}  // namespace sublab
