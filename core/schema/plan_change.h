// What becomes of a plan, and of what was done by it, when a study is resolved anew.
#pragma once

#include <functional>
#include <string>

#include "core/schema/plan.h"

namespace sublab {

struct PlanChange {
  /// What of the standing plan would be lost, or "": a sentence that says what differs, the first
  /// setting with both values, and in how many trials.
  std::string conflict;
  /// The plan would be another one, though nothing is lost: further trials or evaluations, another
  /// reference, other conditions of the speed measurement.
  bool differs = false;
  /// Trials of the standing plan have other ids in the next one: they are evaluated on more.
  bool evaluations_grow = false;
};

/// Every trial of `standing` that `is_done` says was begun must stand in `next`, with all its
/// evaluations, if any of those that do not was begun. The main trials of a
/// variant whose learning rate is tuned follow from the tuning trials: they count once `is_done`
/// says so of them.
PlanChange compare_plans(const Plan& standing, const Plan& next,
                         const std::function<bool(const PlannedTrial&)>& is_done);

}  // namespace sublab
