// The plan of a resolved study: its trials with their ids.
#pragma once

#include <map>
#include <string>

#include "core/schema/plan.h"
#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"

namespace sublab {

/// Learning rates by variant.
using TunedRates = std::map<std::string, double>;

/// Rates that stand for those that are still to be tuned: the first ones tried, which changes no
/// cost.
TunedRates first_rates(const Study& study);

/// The plan for trials of so many `threads`, with what corpora, tokenizers and checkpoints hold
/// here and now. A variant that is tuned but has no rate has its main trials left out.
Plan make_plan(const ResolvedStudy& resolved, int64_t threads, const TunedRates& rates,
               const Catalog& catalog);

/// The threads that a study asks for: its own, else this process's.
int64_t threads_of(const Study& study);

}  // namespace sublab
