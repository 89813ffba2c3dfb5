// Frequent words, after RULER (arXiv:2404.06654): coded words stand as often as a zeta law says;
// the most frequent one is "...", which counts for nothing, and the next three are to be said.
//
//   tokens  ... Find the three most frequently appeared coded words. ... qkfbeu ... oplrtz ...
//           Question: ... the three most frequently appeared words are: _ qkfbeu , _ oplrtz , ... .
//   labels  .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  _ qkfbeu , _ oplrtz , ... .
//
// The word of rank k stands floor(n k^-alpha / zeta(alpha)) times, n as large as fits. Score: the
// share of the three that the answer contains. Chance: 0 (random letters).
#include <cmath>
#include <set>

#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/word_vocabulary.h"

namespace sublab {
namespace ruler_fwe {

constexpr const char* kOpening =
    "Read the following coded text and track the frequency of each coded word. Find the three most "
    "frequently appeared coded words.";
constexpr const char* kQuestion =
    " Question: Do not provide any explanation. Please ignore the dots '....'. What are the three "
    "most frequently appeared words in the above coded text? Answer: According to the coded text "
    "above, the three most frequently appeared words are:";
constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyz";

struct Settings {
  double alpha = 2.0;
  int64_t n_letters = 6;

  template <class F>
  void fields(F& f) {
    f("alpha", alpha, "how fast frequency falls with the rank", above(1, 10));
    f("n_letters", n_letters, "letters of a coded word", within(2, 32));
  }
};

/// Words by rank, and how often each stands.
struct Ranks {
  std::vector<std::string> words;
  std::vector<std::vector<int64_t>> ids;
  std::vector<double> shares;  // k^-alpha / zeta(alpha)

  int64_t times(size_t rank, int64_t n) const {
    return static_cast<int64_t>(static_cast<double>(n) * shares[rank]);
  }
  int64_t n_tokens(int64_t n) const {
    int64_t out = 0;
    for (size_t rank = 0; rank < words.size(); ++rank)
      out += times(rank, n) * static_cast<int64_t>(ids[rank].size());
    return out;
  }
  /// Whether ranks 2 to 4 are told from those behind them.
  bool tells(int64_t n) const {
    return times(1, n) > times(2, n) && times(2, n) > times(3, n) && times(3, n) > times(4, n);
  }
};

class FrequentWords : public PromptMaker {
 public:
  FrequentWords(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer), settings_(settings) {
    encoder_.remember(kQuestion);
    constexpr int kTerms = 100000;
    for (int k = 1; k <= kTerms; ++k) zeta_ += std::pow(k, -settings_.alpha);
    zeta_ += std::pow(kTerms, 1 - settings_.alpha) / (settings_.alpha - 1);  // of the rest
  }

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    const Ranks ranks = ranks_of(random, std::max<int64_t>(8, shape.length / 50));
    const std::vector<std::string> top(ranks.words.begin() + 1, ranks.words.begin() + 4);
    const std::string answer = " " + join(top) + ".";
    Draft draft(encoder_);
    draft.open(kOpening);
    const int64_t room = draft.room(shape, kQuestion, answer);
    int64_t least = 1;
    while (!ranks.tells(least)) ++least;
    if (ranks.n_tokens(least) > room) throw DoesNotFit{shape.length - room + ranks.n_tokens(least)};
    int64_t n = least, too_many = room * 64 + 64;  // most ranks may stand no time at all
    while (too_many - n > 1) {
      const int64_t middle = n + (too_many - n) / 2;
      (ranks.n_tokens(middle) <= room ? n : too_many) = middle;
    }
    if (!ranks.tells(n)) n = least;
    std::vector<size_t> text;
    for (size_t rank = 0; rank < ranks.words.size(); ++rank)
      text.insert(text.end(), static_cast<size_t>(ranks.times(rank, n)), rank);
    random.shuffle(text);
    for (const size_t rank : text)
      draft.add(Piece{" " + ranks.words[rank], ranks.ids[rank]}, rank > 0 && rank < 4);
    return draft.close(shape, kQuestion, answer, top);
  }
  double chance() const override { return 0; }

 private:
  Ranks ranks_of(RandomSequence& random, int64_t n) const {
    Ranks out;
    std::set<std::string> taken;
    for (int64_t k = 1; k <= n; ++k) {
      std::string word = "...";
      while (k > 1) {
        word.clear();
        for (int64_t i = 0; i < settings_.n_letters; ++i) word += kLetters[random.below(26)];
        if (taken.insert(word).second) break;
      }
      out.ids.push_back(encoder_.ids(" " + word));
      out.words.push_back(word);
      out.shares.push_back(std::pow(static_cast<double>(k), -settings_.alpha) / zeta_);
    }
    return out;
  }

  Settings settings_;
  double zeta_ = 0;
};

}  // namespace ruler_fwe

ContextTask ruler_fwe_context_task() {
  using namespace ruler_fwe;
  ContextTask task = context_task<Settings, FrequentWords>(
      "ruler_fwe", "RULER: say the three coded words that stand most often", "arXiv:2404.06654");
  task.has_depth = false;
  task.answer_tokens = 50;
  task.score = match_all_score;
  task.vocabulary = [] {
    return std::make_unique<WordVocabulary>(std::vector<std::string>{kOpening, kQuestion},
                                            kLetters + std::string(","));
  };
  return task;
}

}  // namespace sublab
