// A task: what a trained model is asked, and for synthetic tasks the rows that teach it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/schema/trial_config.h"
#include "data/row_source.h"
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

struct TaskEntry {
  std::string name;
  std::string summary;
  std::string source;
  int64_t numerics_version = 1;
  std::function<std::vector<FieldHelp>()> describe;
  /// Checks {"task": name, ...} against the trial's data and returns it with defaults written out.
  std::function<json(const json& given, const std::string& path, const DataConfig& data)> resolve;
  std::function<void(const json& resolved, const TaskContext& context, Evaluation& out)> evaluate;
  /// Rows that teach the task as `resolved`; empty when the task only evaluates.
  std::function<std::unique_ptr<RowSource>(const DataConfig& data, const json& resolved,
                                           int64_t seed)>
      training_rows;
  bool gives_hints = false;  ///< its rows say which tokens matter
};

}  // namespace sublab
