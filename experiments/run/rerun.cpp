// Trials done again (experiments/run/rerun.h).
#include "experiments/run/rerun.h"

#include <ATen/Version.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "core/process.h"
#include "core/random.h"
#include "core/schema/metrics.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "core/schema/trial_order.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/kept_training.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

/// The trials that `trial` starts from, the first first, then itself.
std::vector<const PlannedTrial*> with_parents(const Plan& plan, const PlannedTrial& trial) {
  std::vector<const PlannedTrial*> out;
  for (const PlannedTrial* each = &trial; each; each = plan.find(each->from))
    out.insert(out.begin(), each);
  return out;
}

/// A variable of this process's environment, which its children inherit, while it lives.
class InheritedVariable {
 public:
  InheritedVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = std::getenv(name_.c_str())) before_ = before;
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~InheritedVariable() {
    if (before_)
      ::setenv(name_.c_str(), before_->c_str(), 1);
    else
      ::unsetenv(name_.c_str());
  }
  InheritedVariable(const InheritedVariable&) = delete;
  InheritedVariable& operator=(const InheritedVariable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

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

/// Weights that the study still has are evaluated again; otherwise everything is trained again.
bool lend_checkpoint(const PlannedTrial& trial, const fs::path& from, const fs::path& to) {
  const fs::path kept = fs::absolute(from) / checkpoint_folder(trial.train_id);
  if (!is_trained(kept)) return false;
  const fs::path lent = to / checkpoint_folder(trial.train_id);
  fs::create_directories(lent.parent_path());
  if (!fs::exists(lent)) fs::create_directory_symlink(kept, lent);
  return true;
}

/// The trials of a study that are held against each other, and where they are done again.
class Again {
 public:
  Again(const Plan& plan, const fs::path& study_folder, const RerunOptions& options)
      : plan_(plan), study_folder_(study_folder), options_(options) {}

  RerunResult rerun(const PlannedTrial& trial) const {
    const TrialFiles before = files_of(trial);
    RerunResult result;
    result.trial = trial.id, result.variant = trial.variant, result.seed = trial.seed;
    const fs::path folder = fresh_folder();
    result.from_checkpoint =
        !options_.from_scratch && lend_checkpoint(trial, study_folder_, folder);
    const int64_t threads =
        before.record.environment.value("threads", std::max<int64_t>(plan_.threads, 1));
    if (!result.from_checkpoint) make_parents(trial, threads, folder);
    const Record record = run_again(with_threads(threads), trial, folder);
    const TrialFiles now = with_arrays(record, folder);
    const std::vector<TrialFiles> seeds = seeds_of(trial);
    result.found = hold_against(before, now, seeds, !result.from_checkpoint);
    if (options_.noise_floor) add_noise(trial, threads, now.record, seeds, result);
    return result;
  }

 private:
  fs::path fresh_folder() const {
    const fs::path folder = study_folder_ / "work" / "rerun";
    fs::remove_all(folder);
    make_writable_folder(folder);
    return folder;
  }
  Plan with_threads(int64_t threads) const {
    Plan out = plan_;
    out.threads = threads;
    return out;
  }
  TrialFiles files_of(const PlannedTrial& trial) const {
    return with_arrays(read_record(record_path(study_folder_, trial)), study_folder_);
  }
  /// Trials of the same variant and probe, each seed once, that ended well.
  std::vector<TrialFiles> seeds_of(const PlannedTrial& trial) const {
    std::vector<TrialFiles> out;
    if (trial.probe == kTuneProbe) return out;
    for (const PlannedTrial& each : plan_.trials)
      if (each.variant == trial.variant && each.probe == trial.probe &&
          trial_state(study_folder_, each) == "done")
        out.push_back(files_of(each));
    return out;
  }
  /// The weights that a trial starts from: the study's where they are there, else trained again.
  void make_parents(const PlannedTrial& trial, int64_t threads, const fs::path& folder) const {
    for (const PlannedTrial* each : with_parents(plan_, trial))
      if (each->id != trial.id && !lend_checkpoint(*each, study_folder_, folder))
        run_again(with_threads(threads), *each, folder);
  }

  /// The same trial with its sums cut between other threads, and by other kernels.
  void add_noise(const PlannedTrial& trial, int64_t threads, const Record& as_it_is,
                 const std::vector<TrialFiles>& seeds, RerunResult& result) const {
    const auto once_more = [&](const std::string& changed, int64_t n) {
      const fs::path folder = fresh_folder();
      make_parents(trial, threads, folder);
      add_difference(changed, as_it_is, run_again(with_threads(n), trial, folder), seeds, result);
    };
    const int64_t others = threads == 1 ? 2 : 1;
    once_more("threads " + std::to_string(others) + " instead of " + std::to_string(threads),
              others);
    const bool widest = at::get_cpu_capability() == "AVX512";
    const std::string aten = widest ? "avx2" : "default", mkl = widest ? "AVX2" : "COMPATIBLE";
    const InheritedVariable kernels("ATEN_CPU_CAPABILITY", aten), products("MKL_CBWR", mkl);
    once_more("ATEN_CPU_CAPABILITY=" + aten + " MKL_CBWR=" + mkl, threads);
  }

  static void add_difference(const std::string& changed, const Record& before, const Record& now,
                             const std::vector<TrialFiles>& seeds, RerunResult& result) {
    const Metric* metric = headline_of(before);
    if (!metric || !metric->value) return;
    const Metric* other = headline_of(now);
    if (!other || !other->value) return;
    result.noise.push_back({.changed = changed,
                            .metric = metric->name,
                            .conditions = metric->conditions,
                            .before = *metric->value,
                            .now = *other->value,
                            .seed_spread = seed_spread(*metric, seeds)});
  }

  /// The loss that a trial stands for, or its first share of right answers.
  static const Metric* headline_of(const Record& record) {
    if (const Metric* loss = record.find_headline(metric::kLossNats)) return loss;
    for (const Metric& each : record.metrics)
      if (metric::is_accuracy(each.name)) return &each;
    return nullptr;
  }

  const Plan& plan_;
  const fs::path& study_folder_;
  const RerunOptions& options_;
};

PlanAgreement plan_agreement(const Plan& plan, const fs::path& folder, const Catalog& catalog) {
  try {
    const ResolvedStudy resolved = resolve_study(read_study(folder / "study.json", {}), catalog);
    return hold_plan_against(
        plan, preview_plan(resolved, folder, catalog, {.replan = true, .any_rate = false}));
  } catch (const UserError& error) {
    return {{std::string("study.json gives no plan here: ") + error.what()}, {}};
  }
}

}  // namespace

bool RerunReport::follows() const {
  return plan.problems.empty() &&
         std::all_of(again.begin(), again.end(),
                     [](const RerunResult& each) { return each.found.problems.empty(); });
}

RerunReport rerun_trials(const fs::path& study_folder, const RerunOptions& options,
                         const Catalog& catalog) {
  const Plan plan = read_plan(study_folder);
  std::vector<const PlannedTrial*> good;
  std::set<std::string> ids;  // two variants may resolve to one trial
  for (const PlannedTrial& trial : plan.trials)
    if (ids.insert(trial.id).second && trial_state(study_folder, trial) == "done")
      good.push_back(&trial);
  if (good.empty()) throw UserError(study_folder.string(), "has no trial that ended well");
  RerunReport out;
  out.trials_done = static_cast<int64_t>(good.size());
  out.plan = plan_agreement(plan, study_folder, catalog);
  RandomSequence random(stream_key(options.seed, "rerun"));
  random.shuffle(good);
  const Again again(plan, study_folder, options);
  for (size_t i = 0; i < good.size() && static_cast<int64_t>(i) < options.n; ++i)
    out.again.push_back(again.rerun(*good[i]));
  fs::remove_all(study_folder / "work" / "rerun");
  return out;
}

}  // namespace sublab
