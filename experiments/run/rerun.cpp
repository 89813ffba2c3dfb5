// Trials done again (experiments/run/rerun.h).
#include "experiments/run/rerun.h"

#include <algorithm>
#include <cmath>

#include "analysis/study/unlike_data.h"
#include "core/process.h"
#include "core/random.h"
#include "core/schema/metrics.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "core/schema/trial_order.h"
#include "experiments/machine/environment.h"
#include "experiments/run/kept_training.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

constexpr double kSameMachine = 1e-9, kOtherMachine = 1e-3;

/// Resident sets differ from run to run; older records have them as peak_memory_bytes.
bool is_measured_anew(const Metric& metric) {
  return metric.name == metric::kPeakResidentBytes ||
         (metric.name == metric::kPeakMemoryBytes &&
          !metric.conditions.contains(condition::kPhase));
}

/// The trials that `trial` starts from, the first first, then itself.
std::vector<const PlannedTrial*> with_parents(const Plan& plan, const PlannedTrial& trial) {
  std::vector<const PlannedTrial*> out;
  for (const PlannedTrial* each = &trial; each; each = plan.find(each->from))
    out.insert(out.begin(), each);
  return out;
}

Record run_again(const Plan& plan, const PlannedTrial& trial, const fs::path& folder) {
  write_trial_order(folder, order_of(plan, trial));
  const std::string log = (folder / "log").string();
  ChildProcess process({"trial", folder.string(), trial.id}, log);
  while (process.read_line()) {
  }
  const ExitState exit = process.wait();
  const std::string label = trial.label();
  if (exit.code == 2 && exit.signal == 0) {
    const std::string line = read_file(log);
    throw UserError("rerun", label + ": " + line.substr(0, line.find('\n')));
  }
  if (exit.code != 0 || exit.signal != 0)
    throw UserError("rerun", label + " did not end well; see " + log);
  return read_record(record_path(folder, trial));
}

bool same_machine(const json& a, const json& b) {
  for (const char* key : {"cpu", "instruction_set", "libtorch"})
    if (a.value(key, json()) != b.value(key, json())) return false;
  return true;
}

void compare(const Record& before, const Record& now, RerunResult& result) {
  result.same_machine = same_machine(before.environment, now.environment);
  const double tolerance = result.same_machine ? kSameMachine : kOtherMachine;
  if (now.outcome != before.outcome)
    result.problems.push_back("outcome " + now.outcome + " instead of " + before.outcome);
  for (const std::string& each : content_differences(content_of(before), content_of(now)))
    result.problems.push_back(each + " than when the trial ran");
  for (size_t i = 0; i < before.metrics.size(); ++i) {
    const Metric& old = before.metrics[i];
    if (is_measured_anew(old) || !old.value) continue;
    const Metric* found = nullptr;
    for (const Metric& metric : now.metrics)
      if (metric.name == old.name && metric.conditions == old.conditions) found = &metric;
    ++result.compared;
    const double value = found && found->value ? *found->value : NAN;
    const double difference = std::abs(value - *old.value) / std::max(std::abs(*old.value), 1e-6);
    if (difference <= tolerance) {
      result.largest_difference = std::max(result.largest_difference, difference);
      continue;
    }
    result.problems.push_back(old.name + (old.evaluation.empty() ? "" : " of " + old.evaluation) +
                              " came out as " +
                              (std::isnan(value) ? "nothing" : json(value).dump()) +
                              " instead of " + json(*old.value).dump());
  }
}

/// Weights that the study still has are evaluated again; otherwise everything is trained again.
bool lend_checkpoint(const PlannedTrial& trial, const fs::path& from, const fs::path& to) {
  const fs::path kept = fs::absolute(from) / checkpoint_folder(trial.train_id);
  if (!is_trained(kept)) return false;
  const fs::path lent = to / checkpoint_folder(trial.train_id);
  fs::create_directories(lent.parent_path());
  if (!fs::exists(lent)) fs::create_directory_symlink(kept, lent);
  return true;
}

RerunResult rerun(const Plan& plan, const PlannedTrial& trial, const fs::path& study_folder,
                  const fs::path& folder) {
  const Record before = read_record(record_path(study_folder, trial));
  RerunResult result;
  result.trial = trial.id, result.variant = trial.variant, result.seed = trial.seed;
  result.from_checkpoint = lend_checkpoint(trial, study_folder, folder);
  Plan again = plan;
  again.threads = before.environment.value("threads", std::max<int64_t>(plan.threads, 1));
  const auto chain = with_parents(plan, trial);
  for (const PlannedTrial* each : chain) {
    if (each == chain.back() || result.from_checkpoint) continue;
    if (!lend_checkpoint(*each, study_folder, folder)) run_again(again, *each, folder);
  }
  compare(before, run_again(again, trial, folder), result);
  return result;
}

}  // namespace

std::vector<RerunResult> rerun_trials(const fs::path& study_folder, int64_t n, uint64_t seed) {
  const Plan plan = read_plan(study_folder);
  std::vector<const PlannedTrial*> good;
  for (const PlannedTrial& trial : plan.trials)
    if (trial_state(study_folder, trial) == "done") good.push_back(&trial);
  if (good.empty()) throw UserError(study_folder.string(), "has no trial that ended well");
  RandomSequence random(stream_key(seed, "rerun"));
  random.shuffle(good);
  const fs::path folder = study_folder / "work" / "rerun";
  std::vector<RerunResult> out;
  for (size_t i = 0; i < good.size() && static_cast<int64_t>(i) < n; ++i) {
    fs::remove_all(folder);
    make_writable_folder(folder);
    out.push_back(rerun(plan, *good[i], study_folder, folder));
  }
  fs::remove_all(folder);
  return out;
}

}  // namespace sublab
