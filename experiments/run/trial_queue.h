// Which trial comes next.
#pragma once

#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/schema/plan.h"
#include "experiments/run/run_options.h"

namespace sublab {

/// The trials that a run has to do, in the plan's order. A trial waits for the one that it starts
/// from, which this process or another one runs.
class TrialQueue {
 public:
  /// Takes those of `trials` that are this shard's, have no good record and are needed; `summary`
  /// learns how many there are. A chain of trials is one shard's.
  TrialQueue(const Plan& plan, const std::vector<const PlannedTrial*>& trials,
             const RunOptions& options, RunSummary& summary);

  size_t size() const { return waiting_.size(); }
  /// The next trial that may start while those of ids `running` run, or null.
  const PlannedTrial* take(const std::set<std::string>& running);

 private:
  bool may_start(const PlannedTrial& trial, const std::set<std::string>& running) const;

  const Plan& plan_;
  fs::path folder_;
  std::vector<const PlannedTrial*> waiting_;
  std::unordered_set<std::string> waiting_ids_;
};

}  // namespace sublab
