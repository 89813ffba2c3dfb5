// What a round's work costs by the ledger, at the tokens that it really kept.
#pragma once

#include "experiments/measure/measure.h"
#include "experiments/observe/keep_counter.h"

namespace sublab {

/// A round's keeps, as its ledger needs them.
struct RoundKeeps {
  KeepCounter counter;  ///< of the work that is timed
  KeepCounter past;     ///< of what half of a decode round's steps see in the caches
};

/// Fills in the cost of one pass at what the round kept: whole rows, or a step in the middle of it.
/// `recompute` is that of training.
void add_round_cost(const LanguageModel& model, const RoundOrder& order, const RoundKeeps& keeps,
                    bool recompute, RoundResult& result);

}  // namespace sublab
