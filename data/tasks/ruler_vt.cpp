// Variable tracking, after RULER (arXiv:2404.06654): assignments that hand a value on are hidden,
// in their order, between sentences that say nothing; every variable with the value is to be said.
//
//   tokens  ... VAR AQWZE = 58231 ... VAR KDJUR = VAR AQWZE ... Question: Find all variables that
//           are assigned the value 58231 in the text above. Answer: ... they are: _ AQWZE , _ KDJUR
//           .
//   labels  .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .    _ AQWZE , _ KDJUR
//   .
//
// Score: the share of the variables that the answer contains. Chance: 0 (five letters each).
// RULER puts an answered example before the question; here there is none.
#include <algorithm>
#include <set>

#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/word_vocabulary.h"

namespace sublab {
namespace ruler_vt {

constexpr const char* kOpening =
    "Memorize and track the chain(s) of variable assignment hidden in the following text.";
constexpr const char* kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct Settings {
  int64_t n_chains = 1;
  int64_t n_hops = 4;

  template <class F>
  void fields(F& f) {
    f("n_chains", n_chains, "values that are handed on; one is asked for", within(1, 64));
    f("n_hops", n_hops, "assignments behind the first one of a chain", within(1, 64));
  }
};

std::string question_of(const std::string& value, size_t n) {
  return " Question: Find all variables that are assigned the value " + value +
         " in the text above. Answer: According to the chain(s) of variable assignment in the text "
         "above, " +
         std::to_string(n) + " variables are assigned the value " + value + ", they are:";
}

class VariableTracking : public PromptMaker {
 public:
  VariableTracking(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer),
        settings_(settings),
        filler_(encoder_, noise_sentences()) {}

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    std::vector<Needle> needles;
    std::vector<std::string> names, values;
    std::set<std::string> taken;
    for (int64_t chain = 0; chain < settings_.n_chains; ++chain) {
      values.push_back(std::to_string(10000 + random.below(90000)));
      while (std::count(values.begin(), values.end(), values.back()) > 1)
        values.back() = std::to_string(10000 + random.below(90000));
      std::vector<double> depths;
      for (int64_t i = 0; i <= settings_.n_hops; ++i) depths.push_back(random.uniform());
      std::sort(depths.begin(), depths.end());
      std::string before;
      for (const double depth : depths) {
        const std::string name = name_of(random, taken);
        needles.push_back(
            {.text = " VAR " + name + " = " + (before.empty() ? values.back() : "VAR " + before),
             .depth = depth,
             .asked = chain == 0});
        if (chain == 0) names.push_back(name);
        before = name;
      }
    }
    Draft draft(encoder_);
    draft.open(kOpening);
    return draft.hide(shape, filler_, 0, needles, question_of(values.front(), names.size()),
                      " " + join(names) + ".", names);
  }
  double chance() const override { return 0; }

 private:
  static std::string name_of(RandomSequence& random, std::set<std::string>& taken) {
    std::string out;
    do {
      out.clear();
      for (int i = 0; i < 5; ++i) out += kLetters[random.below(26)];
    } while (!taken.insert(out).second);
    return out;
  }

  Settings settings_;
  Filler filler_;
};

}  // namespace ruler_vt

ContextTask ruler_vt_context_task() {
  using namespace ruler_vt;
  ContextTask task = context_task<Settings, VariableTracking>(
      "ruler_vt", "RULER: say every variable that a value was handed on to", "arXiv:2404.06654");
  task.has_depth = false;
  task.answer_tokens = 30;
  task.score = match_all_score;
  task.vocabulary = [] {
    std::vector<std::string> texts = {kOpening, question_of("1", 5), " VAR A = VAR"};
    for (const std::string& sentence : noise_sentences()) texts.push_back(" " + sentence);
    return std::make_unique<WordVocabulary>(texts, kLetters);
  };
  return task;
}

}  // namespace sublab
