// Trials in processes of their own, several at once.
#pragma once

#include <vector>

#include "core/progress.h"
#include "core/schema/plan.h"
#include "experiments/run/run_options.h"

namespace sublab {

/// From now on SIGINT and SIGTERM are remembered instead of ending the process.
void watch_interrupts();
/// One of them came.
bool interrupted();

/// Runs what is missing of `trials`, which are the plan's, until all have ended or an interrupt
/// came. Throws UserError for a user's mistake that shows in a trial.
RunSummary run_trials(const Plan& plan, const std::vector<const PlannedTrial*>& trials,
                      const RunOptions& options, ProgressLine& progress);

}  // namespace sublab
