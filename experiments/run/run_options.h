// What a run is asked for, and what became of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

struct RunOptions {
  fs::path out;            ///< results folder of the study
  std::string only = "*";  ///< glob over variant names
  int64_t jobs = 1;
  bool by_seed = false;             ///< every variant of a seed before the next seed
  int64_t shard = 1, n_shards = 1;  ///< this process does every n-th trial
  bool dry_run = false;
  bool replan = false;  ///< see PlanOptions
  bool quiet = false;   ///< no progress
  /// Results folders of other studies, whose trainings of the same train_id are not done again.
  std::vector<fs::path> lenders = {};
};

struct RunSummary {
  int64_t done = 0, skipped = 0, failed = 0, matched = 0;
  bool interrupted = false;
  /// Variants whose tuning trials have all ended and left no learning rate for the main trials.
  std::vector<std::string> without_rate;
};

}  // namespace sublab
