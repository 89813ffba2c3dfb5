// The kind `compression`: what shortens a prompt before a model reads it. baselines/compression
// implements it. It costs what it costs, and says so.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "data/question.h"
#include "data/tokenizer.h"
#include "models/language_model.h"

namespace sublab {

/// What shortening took, beside the model that answers.
struct CompressionCost {
  double tokens_read = 0;  ///< by the compressor, each pass counted
  double flops = 0;        ///< of models that it asked, causal attention

  /// Adds a pass of `model` over a row of `n_tokens`.
  void add_pass(const LanguageModel& model, int64_t n_tokens);
};

class PromptCompressor {
 public:
  virtual ~PromptCompressor() = default;
  /// `question` with a shorter context, or with the one that it has; what is asked and how long the
  /// answer may be stay. Adds to `cost` what that took.
  virtual Question compress(const Question& question, CompressionCost& cost) const = 0;
};

/// A model beside the one that answers.
struct SecondModel {
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<Tokenizer> tokenizer;  ///< null where its checkpoint has none
  int64_t boundary_id = 0;
};

/// What is known where prompts are shortened.
struct CompressionContext {
  const LanguageModel& model;  ///< that answers
  const Tokenizer* tokenizer;  ///< its own; null for a trial without text
  uint64_t seed = 1;           ///< of the trial
  /// Opens a checkpoint, a folder or STUDY_DIR:VARIANT, on the device of `model`. An entry that has
  /// one among its settings writes the hash of its weights beside the name when it resolves
  /// (core/safetensors.h), since ids stand for content.
  std::function<SecondModel(const std::string& checkpoint)> open;
};

using CompressionEntry = Entry<PromptCompressor, CompressionContext>;

/// The member that changes nothing.
CompressionEntry none_compression();

}  // namespace sublab
