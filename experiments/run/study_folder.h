// The folder that keeps a study's results: which plan stands in it, who works there, and what state
// each trial is in.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "core/schema/study.h"
#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"

namespace sublab {

/// Where a trial's record stands.
fs::path record_path(const fs::path& study_folder, const PlannedTrial& trial);
/// Held by the process that runs the trial.
fs::path trial_lock_path(const fs::path& study_folder, const PlannedTrial& trial);

/// What is known of a trial: "done", "failed", "running", "missing", or "damaged" when its record
/// cannot be read.
std::string trial_state(const fs::path& study_folder, const PlannedTrial& trial);

/// The learning rate with the lowest validation loss per variant, among the tuning trials that are
/// done; variants with a tuning trial left to do, one that widens the grid included, have none.
std::map<std::string, double> tuned_rates(const Plan& plan, const fs::path& study_folder);

/// Ids of the trials that would widen a grid of learning rates and that nothing asks for, so far.
std::set<std::string> not_needed_trials(const Plan& plan, const fs::path& study_folder);

/// Variants with tuning trials whose main trials are not planned: no learning rate is chosen.
std::vector<std::string> untuned_variants(const Plan& plan);

/// While it lives, other runs see that this process works in the folder.
class ActiveRun {
 public:
  explicit ActiveRun(const fs::path& study_folder);
  ~ActiveRun();
  ActiveRun(const ActiveRun&) = delete;
  ActiveRun& operator=(const ActiveRun&) = delete;

  /// "HOST, process ID" of another run that works there, or "".
  std::string another() const;

 private:
  fs::path work_, mark_;
  std::unique_ptr<FileLock> lock_;
};

struct PlanOptions {
  bool replan = false;  ///< a plan that would lose trials is kept beside and replaced
  /// The first rate of the grid stands for one that is not chosen yet: it decides no speed.
  bool any_rate = false;
};

/// The plan of the study with the threads and the tuned rates of the plan that stands in the
/// folder. Writes nothing. Throws UserError when trials of the standing plan would be lost, unless
/// `options` allow it.
Plan preview_plan(const ResolvedStudy& resolved, const fs::path& study_folder,
                  const Catalog& catalog, const PlanOptions& options);

/// The same; study.json and plan.json are written, a plan whose trials leave it is kept as
/// plan.N.json, and what is damaged (plan, records, training, measurement) is set aside with a line
/// on standard error. While another run works in the folder only the plan that stands there is
/// accepted.
Plan settle_plan(const ResolvedStudy& resolved, const fs::path& study_folder,
                 const Catalog& catalog, const ActiveRun& run, const PlanOptions& options);

}  // namespace sublab
