// Common words, after RULER (arXiv:2404.06654): in a numbered list some words stand many times, the
// others a few times; the many are to be said.
//
//   tokens  ... 1 . quiet-river 2 . tall-lamp 3 . quiet-river ... Question: What are the 2 most
//           common words in the above list? Answer: ... in the list are: _ quiet-river , ... .
//   labels  .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  _ quiet-river , ... .
//
// Score: the share of the common words that the answer contains. Chance: n_common of the 4,096
// words. RULER's words are single ones; here they are compounds of 64 adjectives and 64 nouns.
#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/word_vocabulary.h"

namespace sublab {
namespace ruler_cwe {

constexpr const char* kOpening =
    "Below is a numbered list of words. In these words, some appear more often than others. "
    "Memorize the ones that appear most often.";
constexpr int64_t kRemembered = 4096;  // numbers whose ids are looked up

struct Settings {
  int64_t n_common = 10;
  int64_t common_times = 30;
  int64_t other_times = 3;

  template <class F>
  void fields(F& f) {
    f("n_common", n_common, "words that stand most often, all of which are asked for",
      within(1, 256));
    f("common_times", common_times, "how often each of them stands", within(2, 1 << 16));
    f("other_times", other_times, "how often the others stand", within(1, 1 << 16));
  }
  void check(const std::string& path) const {
    if (other_times >= common_times)
      throw UserError(path + "/other_times", std::to_string(other_times) +
                                                 " is not below common_times " +
                                                 std::to_string(common_times));
  }
};

std::string question_of(int64_t n) {
  const std::string number = std::to_string(n);
  return " Question: What are the " + number +
         " most common words in the above list? Answer: The top " + number +
         " words that appear most often in the list are:";
}

class CommonWords : public PromptMaker {
 public:
  CommonWords(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer), settings_(settings) {
    for (uint64_t i = 0; i < kCompounds; ++i) encoder_.remember(" " + compound(i));
    for (int64_t i = 1; i <= kRemembered; ++i) encoder_.remember(number(i));
    encoder_.remember(question_of(settings.n_common));
  }

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    std::vector<std::string> common;
    std::vector<uint64_t> words(kCompounds);
    for (uint64_t i = 0; i < kCompounds; ++i) words[i] = i;
    const auto n_common = static_cast<size_t>(settings_.n_common);
    for (size_t i = 0; i < n_common; ++i) {
      std::swap(words[i], words[i + random.below(kCompounds - i)]);
      common.push_back(compound(words[i]));
    }
    const std::string question = question_of(settings_.n_common), answer = " " + join(common) + ".";
    Draft draft(encoder_);
    draft.open(kOpening);
    int64_t left = draft.room(shape, question, answer);
    std::vector<size_t> items;
    const auto add = [&](size_t word) {
      const auto place = static_cast<int64_t>(items.size()) + 1;
      const auto cost = static_cast<int64_t>(ids(number(place)) + ids(" " + compound(words[word])));
      left -= cost;
      items.push_back(word);
    };
    for (size_t i = 0; i < n_common; ++i)
      for (int64_t t = 0; t < settings_.common_times; ++t) add(i);
    if (left < 0) throw DoesNotFit{shape.length - left};
    for (size_t other = n_common; other < kCompounds && left >= 0; ++other) {
      std::swap(words[other], words[other + random.below(kCompounds - other)]);
      for (int64_t t = 0; t < settings_.other_times && left >= 0; ++t) add(other);
    }
    if (left < 0) items.pop_back();
    random.shuffle(items);
    for (size_t i = 0; i < items.size(); ++i) {
      draft.add(number(static_cast<int64_t>(i) + 1), false);
      draft.add(" " + compound(words[items[i]]), items[i] < n_common);
    }
    return draft.close(shape, question, answer, common);
  }
  double chance() const override { return static_cast<double>(settings_.n_common) / kCompounds; }

 private:
  static std::string number(int64_t i) { return " " + std::to_string(i) + "."; }
  size_t ids(const std::string& text) const {
    const auto* found = encoder_.known(text);
    return found ? found->size() : encoder_.ids(text).size();
  }

  Settings settings_;
};

}  // namespace ruler_cwe

ContextTask ruler_cwe_context_task() {
  using namespace ruler_cwe;
  ContextTask task = context_task<Settings, CommonWords>(
      "ruler_cwe", "RULER: say the words that stand most often in a list", "arXiv:2404.06654");
  task.has_depth = false;
  task.answer_tokens = 120;
  task.score = match_all_score;
  task.vocabulary = [] {
    std::vector<std::string> texts = {kOpening, question_of(1)};
    for (const std::string& word : plain_words())
      texts.insert(texts.end(), {" " + word, "-" + word});
    return std::make_unique<WordVocabulary>(texts, ",");
  };
  return task;
}

}  // namespace sublab
