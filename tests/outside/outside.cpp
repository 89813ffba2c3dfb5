// A program outside the tree: the command line of sublab with one more architecture, one more
// scorer and one more task. tests/experiments/outside_test.cpp runs a study with them.
#include <numeric>

#include "experiments/cli/sublab_main.h"
#include "models/streams.h"

using namespace sublab;

namespace {

/// hidden = tanh(W embed(token)): a table of pairs of tokens, with no attention and no past.
struct BigramConfig {
  int64_t d_model = 16;

  template <class F>
  void fields(F& f) {
    f("d_model", d_model, "width", within(1, 1 << 16));
  }
};

struct NoPast : DecodeState {
  explicit NoPast(int64_t n_rows) : DecodeState(n_rows) {}
  NoPast(const NoPast& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {}
  int64_t n_bytes() const override { return 0; }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::make_unique<NoPast>(*this, rows);
  }
};

class Bigram : public LanguageModel {
 public:
  Bigram(const BigramConfig& config, int64_t vocab_size, const Initial& initial)
      : embedding_(normal_parameter("embedding", {vocab_size, config.d_model}, 1, initial)),
        mix_(normal_parameter("mix", {config.d_model, config.d_model}, 0.25, initial)),
        head_(normal_parameter("head", {vocab_size, config.d_model}, 0.02, initial)) {}

  at::Tensor embed(const at::Tensor& tokens) const override {
    return at::embedding(embedding_, tokens);
  }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run&) const override {
    if (state) state->advance(*batch.rows);
    return at::tanh(at::linear(x, mix_));
  }
  const at::Tensor& head_weight() const override { return head_; }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t) const override {
    return std::make_unique<NoPast>(n_rows);
  }
  std::vector<Parameter> parameters() const override {
    return {{"embedding", embedding_}, {"mix", mix_}, {"head", head_}};
  }
  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    const auto& rows = shape.new_tokens;
    const auto n = static_cast<double>(std::accumulate(rows.begin(), rows.end(), int64_t{0}));
    const auto width = static_cast<double>(mix_.size(0));
    ledger.add(linear_cost("mix", 0, 0, n, width, width, shape.bytes_per_number));
    ledger.add(linear_cost("head", -1, 0, n, width, static_cast<double>(head_.size(0)),
                           shape.bytes_per_number));
  }

 private:
  at::Tensor embedding_, mix_, head_;
};

ArchitectureEntry bigram() {
  return architecture_entry<Bigram, BigramConfig>(
      "bigram", "what follows a token, by that token alone", "a program outside the tree");
}

/// Keeps the tokens of even ids.
class Parity : public Scorer {
 public:
  at::Tensor scores(const ScorerInput& input) const override {
    return (1 - 2 * input.tokens.remainder(2)).to(input.x.options());
  }
};

ScorerEntry parity() {
  return scorer_entry<Parity>("parity", "keeps tokens of even ids", "a program outside the tree");
}

/// What share of an answer is letters. It asks in text, so that the harness cuts it and generates.
struct LettersConfig {
  std::string task = "letters";
  int64_t max_tokens = 8;

  template <class F>
  void fields(F& f) {
    f("task", task, "letters", one_of({"letters"}));
    f("max_tokens", max_tokens, "of an answer", within(1, 1 << 16));
  }
};

TaskEntry letters() {
  TaskEntry entry;
  entry.name = "letters";
  entry.summary = "share of letters in what the model goes on with";
  entry.source = "a program outside the tree";
  entry.describe = [] { return describe_fields<LettersConfig>(); };
  entry.resolve = [](const json& given, const std::string& path, const DataConfig&) {
    LettersConfig config;
    read_fields(given, path, config);
    return write_fields(config);
  };
  entry.prompt.ask = [](const json& resolved, const TaskContext&) {
    std::vector<Question> questions;
    for (const char* text : {"word1 word2", "Note 7."}) {
      Question question;
      question.context = "Go on with this:\n";
      question.text = text;
      question.max_tokens = resolved.at("max_tokens");
      questions.push_back(question);
    }
    return questions;
  };
  entry.prompt.score = [](const json&, const TaskContext&, const std::vector<Question>&,
                          const std::vector<Answer>& answers, Evaluation& out) {
    double letters = 0, n = 0;
    for (const Answer& answer : answers)
      for (const char c : answer.text) letters += (c >= 'a' && c <= 'z'), ++n;
    out.add("letters_accuracy", n > 0 ? letters / n : 0, {{"n", n}, {"chance", 26.0 / 256}});
  };
  return entry;
}

}  // namespace

int main(int argc, char** argv) {
  Catalog catalog = built_in_catalog();
  catalog.architectures.push_back(bigram());
  catalog.parts.scorers.push_back(parity());
  catalog.tasks.push_back(letters());
  return sublab_main(argc, argv, catalog);
}
