// What the process of one trial, or of one variant whose speed is measured, needs to know:
// results/<study>/work/<id>.trial.json, written by who starts it. The plan may hold ten thousand.
#pragma once

#include <string>

#include "core/schema/plan.h"

namespace sublab {

struct TrialOrder {
  std::string study;
  int64_t threads = 0;  ///< of the plan; 0 = not known
  PlannedTrial trial;
  bool first_seed = true;     ///< its seed is the study's first, which some arrays are kept of
  std::string from_train_id;  ///< whose weights in this study the trial starts from, or ""
  PlanContent content;        ///< of the plan

  template <class F>
  void fields(F& f) {
    f("study", study, "study name");
    f("threads", threads, "of the trial; 0 = not known", within(0, 1 << 20));
    f("trial", trial, "what is done");
    f("first_seed", first_seed, "of the study");
    f("from_train_id", from_train_id, "training whose weights it starts from, or empty");
    f("content", content, "what the names in the trial stand for");
  }
};

TrialOrder order_of(const Plan& plan, const PlannedTrial& trial);

void write_trial_order(const fs::path& study_folder, const TrialOrder& order);
/// Throws UserError when nobody has ordered the trial `id` in this folder.
TrialOrder read_trial_order(const fs::path& study_folder, const std::string& id);

}  // namespace sublab
