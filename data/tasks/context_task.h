// A task over long contexts, as its file says it: settings, prompts and score. From that follow the
// rows that teach it (data.train_on) and, in experiments/tasks/context_task.h, the task that asks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/row_maker.h"
#include "data/tasks/prompt_parts.h"

namespace sublab {

/// What prompts are written with.
struct PromptMaterial {
  const Tokenizer& tokenizer;
  std::vector<std::string> essay =
      {};  ///< sentences of held-out documents, where they are asked for
};

/// Makes one prompt after another. Thread-safe once made.
class PromptMaker {
 public:
  explicit PromptMaker(const Tokenizer& tokenizer) : encoder_(tokenizer) {}
  virtual ~PromptMaker() = default;
  /// Throws DoesNotFit.
  virtual Prompt make(RandomSequence& random, const PromptShape& shape) const = 0;
  /// What guessing scores.
  virtual double chance() const = 0;

 protected:
  PieceEncoder encoder_;
};

/// A further number of an answer; the metric is its mean.
struct NamedScore {
  std::string name;
  double value;
};

struct ContextTask : EntryFacts {
  bool has_depth = true;        ///< one place in the context holds what is asked for
  int64_t answer_tokens = 128;  ///< that the published task lets a model answer in
  /// Checks the settings of the task's own and writes them out.
  std::function<json(const json& own, const std::string& path)> resolve;
  /// Of a trial that trains on the task; null: there is no such trial.
  std::function<std::unique_ptr<Tokenizer>()> vocabulary;
  std::function<std::unique_ptr<PromptMaker>(const json& own, const PromptMaterial& material)>
      maker;
  std::function<double(const std::vector<std::string>& references, const std::string& answer)>
      score;
  std::function<std::vector<NamedScore>(const std::vector<std::string>& references,
                                        const std::string& answer)>
      more_scores = {};
};

/// The task whose settings are the fields of `Settings` (with `check(path)`, if it has one) and
/// whose prompts `Maker(settings, material)` makes.
template <class Settings, class Maker>
ContextTask context_task(std::string name, std::string summary, std::string source) {
  ContextTask out;
  out.name = std::move(name);
  out.summary = std::move(summary);
  out.source = std::move(source);
  out.describe = [] { return describe_fields<Settings>(); };
  out.resolve = [](const json& own, const std::string& path) {
    Settings settings;
    read_fields(own, path, settings);
    if constexpr (requires { settings.check(path); }) settings.check(path);
    return write_fields(settings);
  };
  out.maker = [](const json& own, const PromptMaterial& material) -> std::unique_ptr<PromptMaker> {
    Settings settings;
    read_fields(own, "", settings);
    return std::make_unique<Maker>(settings, material);
  };
  return out;
}

/// For tasks that have nothing to set.
struct NoOwnSettings {
  template <class F>
  void fields(F&) {}
};

/// Whether the task's settings ask for held-out documents to hide things in.
bool wants_essay(const json& own);

/// A prompt of `length` tokens and its answer, or UserError at `path` where it does not fit.
Prompt make_prompt(const PromptMaker& maker, RandomSequence& random, const PromptShape& shape,
                   const std::string& task, const std::string& path);

/// Rows of a task's prompts with their answers; labels are on the answer. Depths are uniform.
class PromptRows : public RowSource {
 public:
  PromptRows(const ContextTask& task, const json& own, int64_t length, uint64_t seed);
  TokenRow row(int64_t index) const override;
  int64_t context_len() const override { return length_; }
  int64_t vocab_size() const override { return vocabulary_->vocab_size(); }

 private:
  std::string name_;
  std::unique_ptr<Tokenizer> vocabulary_;
  std::unique_ptr<PromptMaker> maker_;
  int64_t length_;
  uint64_t key_;
};

/// What data.train_on calls a task with a vocabulary of its own.
RowMaker context_rows(const ContextTask& task);

}  // namespace sublab
