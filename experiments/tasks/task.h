// A task: what a trained model is asked. It measures by itself, or it states a prompt stage: what
// the model reads first, how long it answers, and what the answers are worth. Rows that teach a
// task are data (data/row_maker.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "core/schema/trial_config.h"
#include "data/question.h"
#include "experiments/tasks/evaluation.h"
#include "models/language_model.h"

namespace sublab {

class TextData;  // experiments/text/text_data.h: tokenizer and shards of a DataConfig

struct TaskContext {
  const LanguageModel& model;
  const TrialConfig& config;
  const TextData* text;  ///< null for a trial that trains on a synthetic task
  int64_t seed;
};

/// What a model said, greedily, up to the end of a text or to max_tokens.
struct Answer {
  std::vector<int64_t> ids;
  std::string text;    ///< where the trial has a tokenizer
  int64_t n_read = 0;  ///< tokens of context and question that it read
  bool cut = false;    ///< the prompt was longer than it may be
};

/// A task that asks and scores; generating is the harness's (experiments/tasks/prompted.h).
struct PromptStage {
  std::function<std::vector<Question>(const json& resolved, const TaskContext& context)> ask;
  /// `answers[i]` is that to `questions[i]`.
  std::function<void(const json& resolved, const TaskContext& context,
                     const std::vector<Question>& questions, const std::vector<Answer>& answers,
                     Evaluation& out)>
      score;
};

/// Either `evaluate` or `prompt` is given.
struct TaskEntry : EntryFacts {
  /// Whether the model is asked in prompts, which may be shortened before it reads them.
  bool has_prompts() const { return static_cast<bool>(prompt.ask); }
  /// Checks {"task": name, ...} against the trial's data and returns it with defaults written out.
  std::function<json(const json& given, const std::string& path, const DataConfig& data)> resolve;
  std::function<void(const json& resolved, const TaskContext& context, Evaluation& out)> evaluate;
  PromptStage prompt;
};

}  // namespace sublab
