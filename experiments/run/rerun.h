// Trials of a finished study done once more, to see whether what they left comes again.
#pragma once

#include <string>
#include <vector>

#include "analysis/verify_again.h"
#include "analysis/verify_plan.h"
#include "experiments/catalog.h"

namespace sublab {

struct RerunOptions {
  int64_t n = 1;              ///< trials, drawn from those that ended well
  uint64_t seed = 1;          ///< of the draw
  bool from_scratch = false;  ///< train, also where the weights are there
  bool noise_floor = false;   ///< each trial once more, twice, with nothing but rounding changed
};

/// A trial trained again with its sums cut another way: how far rounding alone carries a result.
struct NoiseFloor {
  std::string changed;  ///< "2 threads instead of 1"
  std::string metric;   ///< what the trial stands for
  json conditions = json::object();
  double before = 0, now = 0;
  std::optional<double> seed_spread;  ///< standard deviation of it over the study's seeds
  double difference() const { return now - before; }
};

struct RerunResult {
  std::string trial, variant;
  int64_t seed = 0;
  bool from_checkpoint = false;  ///< weights were there; else trained from scratch
  Agreement found;
  std::vector<NoiseFloor> noise;
};

struct RerunReport {
  int64_t trials_done = 0;  ///< of which some are drawn
  PlanAgreement plan;
  std::vector<RerunResult> again;
  bool follows() const;
};

/// Holds the plan against study.json as this program resolves it, and does `options.n` trials again
/// in a folder of its own under the study's work/, with the threads of their records: metrics,
/// arrays, ledger, evaluations and audit must come again (analysis/verify_again.h). Times and
/// resident sets are not compared.
RerunReport rerun_trials(const fs::path& study_folder, const RerunOptions& options,
                         const Catalog& catalog);

}  // namespace sublab
