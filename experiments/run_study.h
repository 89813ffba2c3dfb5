// Runs a study: a process per trial, one atomic record each; run again, it does only what is
// missing.
#pragma once

#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "core/schema/study.h"
#include "experiments/catalog.h"

namespace sublab {

struct RunOptions {
  fs::path out;            ///< results folder of the study
  std::string only = "*";  ///< glob over variant names
  int64_t jobs = 1;
  int64_t shard = 1, n_shards = 1;  ///< this process does every n-th trial
  bool dry_run = false;
  bool quiet = false;  ///< no progress
};

struct RunSummary {
  int64_t done = 0, skipped = 0, failed = 0, matched = 0;
  bool interrupted = false;
};

/// Where a trial's record stands.
fs::path record_path(const fs::path& study_folder, const PlannedTrial& trial);

/// What is known of a trial: "done", "failed", "running" or "missing".
std::string trial_state(const fs::path& study_folder, const PlannedTrial& trial);

/// Runs what is missing: a trial is done when its record says `ok`; others are tried again. Writes
/// study.json and plan.json first. Throws UserError.
RunSummary run_study(const Study& study, const RunOptions& options, const Catalog& catalog);

/// The learning rate with the lowest validation loss per variant, among the tuning trials that are
/// done; variants with a tuning trial left to do have none.
std::map<std::string, double> tuned_rates(const Study& study, const Plan& plan,
                                          const fs::path& study_folder);

}  // namespace sublab
