// Runs a study: a process per trial, one atomic record each; run again, it does only what is
// missing.
#pragma once

#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "core/schema/study.h"
#include "experiments/catalog.h"
#include "experiments/run/study_folder.h"

namespace sublab {

struct RunOptions {
  fs::path out;            ///< results folder of the study
  std::string only = "*";  ///< glob over variant names
  int64_t jobs = 1;
  int64_t shard = 1, n_shards = 1;  ///< this process does every n-th trial
  bool dry_run = false;
  bool replan = false;  ///< see PlanOptions
  bool quiet = false;   ///< no progress
};

struct RunSummary {
  int64_t done = 0, skipped = 0, failed = 0, matched = 0;
  bool interrupted = false;
};

/// Runs what is missing: a trial is done when its record says `ok`; others are tried again. Settles
/// the plan first (see study_folder.h). Throws UserError.
RunSummary run_study(const Study& study, const RunOptions& options, const Catalog& catalog);

}  // namespace sublab
