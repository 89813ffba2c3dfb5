// A needle in a haystack, in the form of G. Kamradt's test that arXiv:2402.10171 publishes: one
// sentence, always the same, is put into a long text, and a question about it is asked.
//
//   prompt  This is a very long story book: <book> ... The best thing to do in San Francisco is eat
//           a sandwich and sit in Dolores Park on a sunny day. ... </book>. Based on the content of
//           the book, Question: What is the best thing to do in San Francisco? Answer:
//   answer  eat a sandwich and sit in Dolores Park on a sunny day.
//
// Scores: needle_recall, the share of the answer's words that were said (the plotting script, so
// probably the published figure), which is also the task's accuracy; needle_rouge1, ROUGE-1 F
// against the needle times 10 (the tester). Chance: 0. There are no rows to train on: a sentence
// that is always the same is learned by heart.
#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"

namespace sublab {
namespace needle_task {

struct Settings {
  std::string haystack = "essay";
  std::string needle =
      "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny "
      "day.";
  std::string question = "What is the best thing to do in San Francisco?";
  std::string answer = "eat a sandwich and sit in Dolores Park on a sunny day.";

  template <class F>
  void fields(F& f) {
    f("haystack", haystack,
      "what lies around: essay (held-out documents of the trial), noise (sentences that say "
      "nothing)",
      one_of({"essay", "noise"}));
    f("needle", needle, "the sentence that is hidden");
    f("question", question, "what is asked about it");
    f("answer", answer, "what is right; the needle's own words");
  }
  void check(const std::string& path) const {
    if (needle.empty() || question.empty() || answer.empty())
      throw UserError(path, "needle, question and answer must not be empty");
    if (needle.find(answer) == std::string::npos)
      throw UserError(path + "/answer",
                      "'" + answer + "' does not stand in the needle '" + needle + "'");
  }
};

class Kamradt : public PromptMaker {
 public:
  Kamradt(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer),
        settings_(settings),
        filler_(encoder_, settings.haystack == "essay" ? material.essay : noise_sentences()) {}

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    const size_t at = settings_.needle.find(settings_.answer);
    Draft draft(encoder_);
    draft.open("This is a very long story book: <book>");
    return draft.hide(
        shape, filler_, random.below(filler_.n_sentences()),
        {{.text = " " + settings_.needle,
          .depth = shape.depth,
          .asked = true,
          .value_at = at > 0 && settings_.needle[at - 1] == ' ' ? at : 0}},
        " </book>. Based on the content of the book, Question: " + settings_.question + " Answer:",
        " " + settings_.answer, {settings_.answer, settings_.needle});
  }
  double chance() const override { return 0; }

 private:
  Settings settings_;
  Filler filler_;
};

}  // namespace needle_task

ContextTask needle_context_task() {
  using namespace needle_task;
  ContextTask task = context_task<Settings, Kamradt>(
      "needle", "say what one sentence said that was put into a long text", "arXiv:2402.10171");
  task.answer_tokens = 50;
  task.score = word_recall_score;
  task.more_scores = [](const std::vector<std::string>& references, const std::string& answer) {
    return std::vector<NamedScore>{{"needle_recall", word_recall_score(references, answer)},
                                   {"needle_rouge1", 10 * rouge1_score(references.at(1), answer)}};
  };
  return task;
}

}  // namespace sublab
