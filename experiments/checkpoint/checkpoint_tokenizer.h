// Whether a tokenizer is the one that a model was trained with. Equal size does not say it:
// `sentencepiece:N` makes another one of every text.
#pragma once

#include <string>

#include "core/schema/plan_content.h"
#include "core/schema/trial_config.h"
#include "experiments/checkpoint/checkpoint.h"

namespace sublab {

/// What gave a model its ids.
struct TokenizerIdentity {
  std::string name;  ///< for messages: a specification, a path, a task; "" = nothing says it
  std::string hash;  ///< Tokenizer::content_hash(); "" = not known
  std::string
      made_from;  ///< what a tokenizer that is not at hand was, or will be, made from; else ""

  /// "sentencepiece:2048 (hash 0123456789abcdef)".
  std::string text() const;
};

enum class TokenizerMatch { same, other, unknown };
TokenizerMatch match(const TokenizerIdentity& a, const TokenizerIdentity& b);

/// Of a checkpoint: its tokenizer, or the task that made its ids, or nothing.
TokenizerIdentity identity_of(const CheckpointHeader& checkpoint);
TokenizerIdentity identity_of(const Tokenizer& tokenizer, const std::string& name);
TokenizerIdentity identity_of_task(const std::string& task);
/// Of a trial on `data`, without training a tokenizer for it.
TokenizerIdentity planned_identity(const DataConfig& data, const PlanContent& content);

/// How the tokenizer that `from` was trained with goes with a trial's own. Throws UserError at
/// `where` ("…/train") when they differ and `train` does not say that this is meant, and when it
/// says so of equal ones.
TokenizerMatch check_from_tokenizer(const TokenizerIdentity& theirs, const TokenizerIdentity& own,
                                    const TrainConfig& train, const std::string& where);

}  // namespace sublab
