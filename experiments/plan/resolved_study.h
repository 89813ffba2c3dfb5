// A study with each of its configurations resolved, once: what a plan is made of as soon as
// content, threads and tuned rates are known.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/study.h"
#include "core/schema/trial_config.h"

namespace sublab {

/// One configuration of a study, of which each seed makes a trial.
struct ResolvedTrial {
  std::string variant;
  std::string probe;  ///< "" or the probe's name; "tune" for one of the grid
  std::string at;     ///< where the study says it; stands before paths in messages
  TrialConfig config;
  bool tuned = false;  ///< its learning rate is chosen by trials; here it is the first tried
  int64_t widens = 0;  ///< steps beyond the grid, of a trial that is done only when asked for
  std::optional<size_t> from;  ///< place of the variant whose weights it starts from
};

struct ResolvedStudy {
  Study study;
  std::vector<ResolvedTrial> trials;  ///< in the plan's order
  std::vector<SolvedValue> solved;    ///< picked so that costs are equal; stands in the trials
  json claims = json::array();
  /// Hashes of the weights outside the study that trials start from, by the study's name for them.
  std::map<std::string, std::string> checkpoints;

  /// Seeds that trials of `trial` run with: a grid is tried with the first one.
  std::vector<int64_t> seeds_of(const ResolvedTrial& trial) const {
    return trial.probe == kTuneProbe ? std::vector<int64_t>{study.seeds.front()} : study.seeds;
  }
};

}  // namespace sublab
