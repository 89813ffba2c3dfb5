// What a run tells while it goes on, and what it counts.
#pragma once

#include <vector>

#include "core/progress.h"
#include "core/schema/plan.h"
#include "experiments/run/run_options.h"
#include "experiments/run/trial.h"

namespace sublab {

class RunReport {
 public:
  RunReport(const RunOptions& options, ProgressLine& line, RunSummary& summary)
      : options_(options), line_(line), summary_(summary) {}

  void set_total(size_t n_trials) { total_ = n_trials; }
  /// Shows where `trial` stands; `all` are those that run, it among them.
  void show(const PlannedTrial& trial, const TrialProgress& progress,
            const std::vector<TrialProgress>& all);
  /// Counts a trial by its record, and prints how it ended.
  void ended(const PlannedTrial& trial);
  /// Counts a trial that another process has done.
  void done_elsewhere() { ++finished_; }

 private:
  const RunOptions& options_;
  ProgressLine& line_;
  RunSummary& summary_;
  size_t finished_ = 0, total_ = 0;
};

}  // namespace sublab
