// What is checked of a resolved trial beside the ranges of its fields, before anything trains.
#pragma once

#include "data/documents.h"
#include "experiments/config.h"

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

}  // namespace sublab
