// Passkey retrieval (arXiv:2305.16300, wording of the code of arXiv:2309.00071 and 2309.10400): a
// number between sentences that say nothing is to be said again.
//
//   tokens  ... The sky is blue. The pass key is 4 7 2 1 9. Remember it. 4 7 2 1 9 is the pass key.
//           The sun is yellow. ... What is the pass key? The pass key is _ 4 7 2 1 9 .
//   labels  .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  _ 4 7 2 1 9 .
//
// Score: the first number of the answer is the key, to the digit. Chance: 1 / 50,000. Sentences are
// joined by blanks, where the published code has line ends between the parts of a prompt.
#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/word_vocabulary.h"

namespace sublab {
namespace passkey {

constexpr const char* kOpening =
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. "
    "I will quiz you about the important information there.";
constexpr const char* kQuestion = " What is the pass key? The pass key is";

Needle needle_of(const std::string& key, double depth) {
  const std::string before = " The pass key is";
  return {.text = before + " " + key + ". Remember it. " + key + " is the pass key.",
          .depth = depth,
          .asked = true,
          .value_at = before.size()};
}

struct Settings {
  int64_t largest = 50000;

  template <class F>
  void fields(F& f) {
    f("largest", largest, "keys are 1 to this", within(1, 1e9));
  }
};

class Passkey : public PromptMaker {
 public:
  Passkey(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer), settings_(settings), filler_(encoder_, noise_sentences()) {
    encoder_.remember(kQuestion);
  }

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    const std::string key =
        std::to_string(1 + random.below(static_cast<uint64_t>(settings_.largest)));
    Draft draft(encoder_);
    draft.open(kOpening);
    return draft.hide(shape, filler_, 0, {needle_of(key, shape.depth)}, kQuestion, " " + key + ".",
                      {key});
  }
  double chance() const override { return 1.0 / static_cast<double>(settings_.largest); }

 private:
  Settings settings_;
  Filler filler_;
};

}  // namespace passkey

ContextTask passkey_context_task() {
  using namespace passkey;
  ContextTask task = context_task<Settings, Passkey>(
      "passkey", "say a number again that stood somewhere in a long text that says nothing",
      "arXiv:2305.16300");
  task.answer_tokens = 10;
  task.score = first_integer_score;
  task.vocabulary = [] {
    std::vector<std::string> texts = {kOpening, kQuestion, needle_of("1", 0).text};
    for (const std::string& sentence : noise_sentences()) texts.push_back(" " + sentence);
    return std::make_unique<WordVocabulary>(texts, "");
  };
  return task;
}

}  // namespace sublab
