// What is checked of a resolved trial beside the ranges of its fields, before anything trains.
#pragma once

#include <functional>
#include <optional>

#include "core/schema/trial_config.h"
#include "data/text/documents.h"
#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"

namespace sublab {

/// Throws UserError at `where` when the corpora of `data` hold no document of `split`, which `who`
/// needs. Corpora that are not prepared yet are not looked at.
void check_split(const DataConfig& data, Split split, const std::string& who,
                 const std::string& where);

/// The same for what a trial trains on and for each task that names a split.
void check_splits(const TrialConfig& config, const std::string& where);

/// Of a trial that trains nothing, where its weights saw rows of `context_len` tokens: throws
/// UserError at `where` for a task whose window is longer and that does not say "extrapolate".
void check_trained_length(const TrialConfig& config, int64_t context_len, const std::string& where);

/// Throws UserError at `where` when the weights of a model `parent`, resolved, with `parent_vocab`
/// ids are not those that `config` starts from: another shape, or tensors that only one of them has
/// and that cannot be put in. `vocab` is that of `config`.
void check_start(const json& parent, int64_t parent_vocab, const TrialConfig& config, int64_t vocab,
                 const std::string& where, const Catalog& catalog);

/// What one trial has of a cost that is known before it runs: train_tokens, train_flops,
/// parameters.
double known_cost(const std::string& by, const TrialConfig& config, const Catalog& catalog);

/// The configuration of the variant of this name; nothing for weights outside the study.
using FindVariant = std::function<std::optional<TrialConfig>(const std::string& name)>;

/// What the weights that a trial starts from had of such a cost, and what they started from: 0
/// without train.from. Throws UserError at `where` for a checkpoint that does not say it.
double inherited_cost(const std::string& by, const TrialConfig& config, const FindVariant& find,
                      const std::string& where, const Catalog& catalog);

/// Throws UserError when what the study's "match" holds equal, and what is known before trials run,
/// is not.
void check_equal_cost(const ResolvedStudy& resolved, const Catalog& catalog);

/// Refuses two entries of `evaluate` that ask the same: their numbers could not be told apart.
void check_questions_differ(const TrialConfig& config, const std::string& where);

}  // namespace sublab
