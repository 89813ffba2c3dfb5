// One trial in this process: train (or take the checkpoint that is there), evaluate, write a
// record.
#pragma once

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "experiments/catalog.h"

namespace sublab {

/// What a trial reports while it runs; the parent process draws the progress line from it.
struct TrialProgress {
  std::string stage;  ///< "train", "evaluate", "audit"
  double done = 0;    ///< share of the stage, in [0, 1]
  double loss = 0;    ///< running training loss in nats; 0 when none
  double tokens_per_s = 0;
};

/// Runs `trial` and returns its record; `study_folder`/arrays and checkpoints are written, the
/// record itself is not. Expected failures (divergence, timeout, host memory) come back as
/// outcomes; a user's mistake (missing corpus) throws UserError.
Record run_trial(const Plan& plan, const PlannedTrial& trial, const fs::path& study_folder,
                 const Catalog& catalog, const std::function<void(const TrialProgress&)>& report);

}  // namespace sublab
