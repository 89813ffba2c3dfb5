// A study from its plan to its measurements (experiments/run/run_study.h).
#include "experiments/run/run_study.h"

#include <ATen/Parallel.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <unordered_set>

#include "core/process.h"
#include "core/progress.h"
#include "core/schema/metrics.h"
#include "experiments/measure/measure_study.h"
#include "experiments/run/lent_trainings.h"
#include "experiments/run/runner.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

bool is_chosen(const std::string& variant, const RunOptions& options) {
  return ::fnmatch(options.only.c_str(), variant.c_str(), 0) == 0;
}

/// What is done before what: a grid of learning rates, step by step what widens it, all the rest.
constexpr int64_t kMainStage = -1;
int64_t stage_of(const PlannedTrial& trial) {
  return trial.probe == kTuneProbe ? std::abs(trial.widens) : kMainStage;
}

std::vector<int64_t> stages_of(const Plan& plan) {
  std::set<int64_t> stages;
  for (const PlannedTrial& trial : plan.trials) stages.insert(stage_of(trial));
  stages.erase(kMainStage);
  return {stages.begin(), stages.end()};
}

/// Trials of a stage that the options ask for, with those that they start from before them.
std::vector<const PlannedTrial*> chosen(const Plan& plan, const RunOptions& options,
                                        int64_t stage) {
  std::unordered_set<std::string> wanted;
  for (const PlannedTrial& trial : plan.trials)
    if (stage_of(trial) == stage && is_chosen(trial.variant, options))
      for (const PlannedTrial* each = &trial; each; each = plan.find(each->from))
        wanted.insert(each->id);
  std::vector<const PlannedTrial*> out;
  for (const PlannedTrial& trial : plan.trials)  // two variants may resolve to one trial
    if (wanted.erase(trial.id)) out.push_back(&trial);
  if (!options.by_seed) return out;
  const auto place = [&](const PlannedTrial* trial) {
    return std::find(plan.seeds.begin(), plan.seeds.end(), trial->seed) - plan.seeds.begin();
  };
  std::stable_sort(out.begin(), out.end(), [&](const PlannedTrial* a, const PlannedTrial* b) {
    return place(a) < place(b);
  });
  return out;
}

/// Whether the options ask for any variant: nothing is written for none.
bool matches_any(const Study& study, const RunOptions& options) {
  return std::any_of(study.variants.begin(), study.variants.end(),
                     [&](const Variant& variant) { return is_chosen(variant.name, options); });
}

/// Variants that were tuned to the end and yet have no main trial in the plan.
std::vector<std::string> without_rate(const Plan& plan, const RunOptions& options) {
  std::vector<std::string> out;
  const std::set<std::string> not_needed = not_needed_trials(plan, options.out);
  for (const std::string& variant : untuned_variants(plan)) {
    const bool ended =
        std::all_of(plan.trials.begin(), plan.trials.end(), [&](const PlannedTrial& trial) {
          if (trial.variant != variant || trial.probe != kTuneProbe) return true;
          if (not_needed.contains(trial.id)) return true;
          const std::string state = trial_state(options.out, trial);
          return state == "done" || state == "failed";
        });
    if (ended && is_chosen(variant, options)) out.push_back(variant);
  }
  return out;
}

void add_to(RunSummary& total, const RunSummary& part) {
  total.done += part.done;
  total.skipped += part.skipped;
  total.failed += part.failed;
  total.matched += part.matched;
  total.interrupted = total.interrupted || part.interrupted;
}

RunSummary list_trials(const Plan& plan, const RunOptions& options) {
  RunSummary summary;
  const std::set<std::string> not_needed = not_needed_trials(plan, options.out);
  std::vector<int64_t> stages = stages_of(plan);
  stages.push_back(kMainStage);
  for (const int64_t stage : stages)
    for (const PlannedTrial* trial : chosen(plan, options, stage)) {
      ++summary.matched;
      const std::string state = trial_state(options.out, *trial);
      const bool idle = state == "missing" && not_needed.contains(trial->id);
      std::printf("%s  %-10s %s\n", trial->id.c_str(), idle ? "not needed" : state.c_str(),
                  trial->label().c_str());
    }
  for (const SolvedValue& solved : plan.solved)
    if (is_chosen(solved.variant, options))
      std::printf("picked: %s\n", solved_text(solved).c_str());
  return summary;
}

}  // namespace

RunSummary run_study(const ResolvedStudy& resolved, const RunOptions& options,
                     const Catalog& catalog) {
  if (!matches_any(resolved.study, options)) return {};
  const PlanOptions planning{.replan = options.replan, .any_rate = false};
  if (options.dry_run)
    return list_trials(preview_plan(resolved, options.out, catalog, planning), options);
  const ActiveRun active(options.out);
  const auto settle = [&] {
    Plan plan = settle_plan(resolved, options.out, catalog, active, planning);
    for (const fs::path& lender : options.lenders) take_trainings(plan, options.out, lender);
    return plan;
  };
  Plan plan = settle();
  at::set_num_threads(static_cast<int>(plan.threads));
  watch_interrupts();
  const IgnoreBrokenPipes pipes;
  ProgressLine progress;
  RunSummary total;
  for (const int64_t stage : stages_of(plan)) {
    add_to(total, run_trials(plan, chosen(plan, options, stage), options, progress));
    if (total.interrupted) return total;
  }
  // The tuned rates are known now: the plan is completed with the main trials.
  if (!resolved.study.tune.key.empty()) plan = settle();
  total.without_rate = without_rate(plan, options);
  add_to(total, run_trials(plan, chosen(plan, options, kMainStage), options, progress));
  if (total.interrupted || total.matched == 0 || options.only != "*" || options.n_shards > 1)
    return total;
  ProgressLine speed;
  if (resolved.study.has_measure)
    total.interrupted = !measure_study(plan, options.out, catalog, speed, interrupted);
  return total;
}

}  // namespace sublab
