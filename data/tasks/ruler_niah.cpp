// Needles in a haystack, after RULER (arXiv:2404.06654, NVIDIA/RULER): sentences that give keys
// special values are hidden, and the values of some keys are to be said.
//
//   tokens  ... One of the special magic numbers for quiet-river is: 4821937. ... What is the
//           special magic number for quiet-river mentioned in the provided text? The special magic
//           number for quiet-river mentioned in the provided text is _ 4 8 2 1 9 3 7 .
//   labels  .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  _ 4 8 2 1 9 3 7 .
//
// single: one needle. multikey: n_keys needles, one is asked for. multivalue: one key with n_values
// needles, all are asked for. multiquery: n_keys needles, all are asked for. Haystacks: noise (the
// sentences of passkey), essay (held-out documents of the trial), needles (distractors all over;
// keys of their own). RULER's numbered tasks: single_1 noise; single_2 essay; single_3 essay, uuid
// values; multikey_1 essay, 4 keys; multikey_2 needles; multikey_3 needles, uuid keys and values.
// Score: the share of the values that the answer contains. Chance: a value at random. Sentences are
// joined by blanks where RULER has line ends; keys are compounds of 64 adjectives and 64 nouns.
#include <algorithm>

#include "core/error.h"
#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/word_vocabulary.h"

namespace sublab {
namespace ruler_niah {

constexpr int64_t kDepthLevels = 40;
constexpr const char* kHexadecimal = "0123456789abcdef";

struct Settings {
  std::string haystack = "noise";
  std::string keys = "words";
  std::string values = "numbers";
  int64_t n_keys = 1;
  int64_t n_values = 1;
  bool ask_all = false;  // of the variant, no setting

  template <class F>
  void fields(F& f) {
    f("haystack", haystack,
      "what lies around: noise (sentences that say nothing), essay (held-out documents of the "
      "trial), needles (others like the ones asked for)",
      one_of({"noise", "essay", "needles"}));
    f("keys", keys, "what values belong to", one_of({"words", "uuids"}));
    f("values", values, "what is to be said: seven digits, or a uuid",
      one_of({"numbers", "uuids"}));
  }
};

struct ManyKeys : Settings {
  ManyKeys() { n_keys = 4; }
  template <class F>
  void fields(F& f) {
    Settings::fields(f);
    f("n_keys", n_keys, "keys that have a value, besides a haystack of needles", within(1, 256));
  }
};

struct ManyQueries : ManyKeys {
  ManyQueries() { ask_all = true; }
};

struct ManyValues : Settings {
  ManyValues() { n_values = 4; }
  template <class F>
  void fields(F& f) {
    Settings::fields(f);
    f("n_values", n_values, "values of the one key", within(1, 256));
  }
};

std::string uuid(RandomSequence& random) {
  std::string out;
  for (const int group : {8, 4, 4, 4, 12}) {
    if (!out.empty()) out += "-";
    for (int i = 0; i < group; ++i) out += kHexadecimal[random.below(16)];
  }
  return out;
}

std::string number(RandomSequence& random) {
  return std::to_string(1000000 + random.below(9000000));
}

/// "a", "a, and b", "a, b, and c".
std::string listed(const std::vector<std::string>& items) {
  std::string out = items.front();
  for (size_t i = 1; i < items.size(); ++i)
    out += (i + 1 == items.size() ? ", and " : ", ") + items[i];
  return out;
}

class Niah : public PromptMaker {
 public:
  Niah(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer),
        settings_(settings),
        filler_(encoder_, settings.haystack == "essay" ? material.essay : noise_sentences()),
        numbers_for_(Filler(encoder_, {"One of the special magic numbers for"}).sentence(0)),
        uuids_for_(Filler(encoder_, {"One of the special magic uuids for"}).sentence(0)) {
    for (uint64_t i = 0; settings.haystack == "needles" && i < kCompounds; ++i)
      encoder_.remember(" " + compound(i));
    encoder_.remember(" is:");
  }

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    const std::vector<Pair> pairs = pairs_of(random, settings_.n_keys);
    std::vector<Needle> needles;
    std::vector<std::string> keys, values;
    for (const Pair& pair : pairs) {
      const bool asked = settings_.ask_all || &pair == &pairs.front();
      if (asked) keys.push_back(pair.key);
      for (const std::string& value : pair.values) {
        const bool one = asked && settings_.n_values == 1 && !settings_.ask_all;
        const auto level = static_cast<double>(random.below(kDepthLevels));
        needles.push_back(
            needle_of(pair.key, value, one ? shape.depth : level / (kDepthLevels - 1), asked));
        if (asked) values.push_back(value);
      }
    }
    Draft draft(encoder_);
    const std::string type = settings_.values == "uuids" ? "uuid" : "number";
    const bool many = values.size() > 1;
    draft.open(many ? "Some special magic " + type + "s are hidden within the following text."
                    : "A special magic " + type + " is hidden within the following text.");
    draft.add(" Make sure to memorize it. I will quiz you about the " + type + (many ? "s" : "") +
                  " afterwards.",
              false);
    const std::string of = listed(keys) + " mentioned in the provided text";
    const std::string question = many ? " What are all the special magic " + type + "s for " + of +
                                            "? The special magic " + type + "s for " + of + " are"
                                      : " What is the special magic " + type + " for " + of +
                                            "? The special magic " + type + " for " + of + " is";
    const std::string answer = " " + join(values) + ".";
    if (settings_.haystack == "needles")
      return draft.hide(shape, other_needles(random, shape.length, pairs), 0, needles, question,
                        answer, values);
    return draft.hide(shape, filler_, random.below(filler_.n_sentences()), needles, question,
                      answer, values);
  }

  double chance() const override { return settings_.values == "uuids" ? 0 : 1.0 / 9000000; }

 private:
  struct Pair {
    std::string key;
    std::vector<std::string> values;
  };

  /// Keys differ from each other.
  std::vector<Pair> pairs_of(RandomSequence& random, int64_t n) const {
    std::vector<Pair> out;
    std::vector<uint64_t> words;
    if (settings_.keys == "words")
      words = distinct_numbers(random, static_cast<size_t>(n), kCompounds);
    for (int64_t i = 0; i < n; ++i) {
      out.push_back({words.empty() ? uuid(random) : compound(words[i]), {}});
      for (int64_t v = 0; v < settings_.n_values; ++v)
        out.back().values.push_back(settings_.values == "uuids" ? uuid(random) : number(random));
    }
    return out;
  }

  Needle needle_of(const std::string& key, const std::string& value, double depth,
                   bool asked) const {
    const std::string before = " One of the special magic " +
                               std::string(settings_.values == "uuids" ? "uuids" : "numbers") +
                               " for " + key + " is:";
    return {.text = before + " " + value + ".",
            .depth = depth,
            .asked = asked,
            .value_at = before.size()};
  }

  /// Enough of them to fill `length`, of keys that are none of `pairs`.
  Filler other_needles(RandomSequence& random, int64_t length,
                       const std::vector<Pair>& pairs) const {
    std::vector<Filler::Sentence> out;
    for (int64_t n = 0; n <= length;) {
      const std::string key =
          settings_.keys == "words" ? compound(random.below(kCompounds)) : uuid(random);
      if (std::any_of(pairs.begin(), pairs.end(),
                      [&](const Pair& pair) { return pair.key == key; }))
        continue;
      out.push_back(pieces_of(key, settings_.values == "uuids" ? uuid(random) : number(random)));
      n += Filler::n_tokens(out.back());
    }
    return Filler(std::move(out));
  }

  /// A needle word by word, so that a last one may be cut to fit.
  Filler::Sentence pieces_of(const std::string& key, const std::string& value) const {
    Filler::Sentence out = settings_.values == "uuids" ? uuids_for_ : numbers_for_;
    for (const std::string& text : {" " + key, std::string(" is:"), " " + value + "."})
      out.push_back({text, encoder_.ids(text)});
    return out;
  }

  Settings settings_;
  Filler filler_;
  Filler::Sentence numbers_for_, uuids_for_;  // how needles begin
};

std::vector<std::string> lexicon() {
  std::vector<std::string> out = {
      "A special magic number is hidden within the following text.",
      " Some special magic numbers are hidden within the following text. Some",
      " Make sure to memorize it. I will quiz you about the uuids uuid afterwards.",
      " What are all the special magic numbers for x, and x mentioned in the provided text?",
      " The special magic is One of the is: What"};
  for (const std::string& word : plain_words()) {
    out.push_back(" " + word);
    out.push_back("-" + word);
  }
  for (const std::string& sentence : noise_sentences()) out.push_back(" " + sentence);
  return out;
}

template <class Own>
ContextTask niah_task(const std::string& name, const std::string& summary) {
  ContextTask task = context_task<Own, Niah>(name, summary, "arXiv:2404.06654");
  task.score = match_all_score;
  task.vocabulary = [] { return std::make_unique<WordVocabulary>(lexicon(), "abcdef-"); };
  return task;
}

}  // namespace ruler_niah

ContextTask ruler_niah_single_context_task() {
  return ruler_niah::niah_task<ruler_niah::Settings>(
      "ruler_niah_single", "RULER: say the value of a key that stood somewhere in a long text");
}

ContextTask ruler_niah_multikey_context_task() {
  return ruler_niah::niah_task<ruler_niah::ManyKeys>(
      "ruler_niah_multikey", "RULER: say the value of one key where others have values, too");
}

ContextTask ruler_niah_multivalue_context_task() {
  ContextTask task = ruler_niah::niah_task<ruler_niah::ManyValues>(
      "ruler_niah_multivalue", "RULER: say all values of a key that has several");
  task.has_depth = false;
  return task;
}

ContextTask ruler_niah_multiquery_context_task() {
  ContextTask task = ruler_niah::niah_task<ruler_niah::ManyQueries>(
      "ruler_niah_multiquery", "RULER: say the values of several keys");
  task.has_depth = false;
  return task;
}

}  // namespace sublab
