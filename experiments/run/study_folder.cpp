// The folder of a study (experiments/run/study_folder.h).
#include "experiments/run/study_folder.h"

#include <unistd.h>

#include <iostream>

#include "core/hash.h"
#include "core/schema/arrays.h"
#include "core/schema/bench.h"
#include "core/schema/metrics.h"
#include "core/schema/plan_change.h"
#include "core/schema/read_record.h"
#include "core/schema/tuning.h"
#include "experiments/plan/make_plan.h"
#include "experiments/run/kept_training.h"

namespace sublab {
namespace {

fs::path planning_lock(const fs::path& study_folder) { return study_folder / "work/plan.lock"; }

/// The first of "STEM.1ENDING", "STEM.2ENDING", ... that no file of the folder has.
fs::path free_name(const fs::path& folder, const std::string& stem, const std::string& ending) {
  for (int64_t n = 1;; ++n) {
    const fs::path path = folder / (stem + std::to_string(n) + ending);
    if (!fs::exists(path)) return path;
  }
}

void set_aside(const fs::path& path, const std::string& why) {
  const fs::path to = free_name(path.parent_path(), path.filename().string() + ".damaged-", "");
  std::error_code error;
  fs::rename(path, to, error);
  if (error)
    throw UserError(path.string(), "is damaged, and cannot be renamed: " + error.message());
  std::cerr << path.string() << " is damaged (" << why << "); set aside as "
            << to.filename().string() << ", made again\n";
}

/// What is wrong with a file, without its own name before it.
std::string problem_of(const UserError& error, const fs::path& path) {
  std::string what = error.what();
  what = what.substr(0, what.find("; "));
  if (what.starts_with(path.string() + ": ")) what.erase(0, path.string().size() + 2);
  return what;
}

/// A record whose arrays are damaged is set aside with them: its trial is evaluated again.
void set_aside_damaged_arrays(const fs::path& folder, const fs::path& record_file) {
  Record record = read_record(record_file);
  record.id = record_file.stem().string();
  if (record.outcome != "ok") return;
  const std::string damage = damage_of_arrays(folder, record);
  if (damage.empty()) return;
  const fs::path arrays = arrays_path(folder, record.id);
  if (fs::exists(arrays)) set_aside(arrays, damage);
  set_aside(record_file, arrays.string() + ": " + damage);
}

/// Looks at the records of `plan` that are none of `seen`.
void set_aside_damaged_records(const fs::path& folder, const Plan& plan, const Plan* seen) {
  for (const PlannedTrial& trial : plan.trials) {
    if (seen && seen->find(trial.id)) continue;
    const fs::path path = record_path(folder, trial);
    try {
      if (fs::exists(path)) set_aside_damaged_arrays(folder, path);
    } catch (const DamagedRecord& error) {
      set_aside(path, problem_of(error, path));
    }
  }
}

/// Without the file that is written last, training is done again.
void set_aside_damaged_training(const fs::path& folder, const Plan& plan) {
  for (const PlannedTrial& trial : plan.trials) {
    const fs::path path = folder / "checkpoints" / trial.train_id / "training.json";
    if (!fs::exists(path)) continue;
    read_file(path);  // one that may not be read is not damaged
    try {
      check_training(path.parent_path(), trial_state(folder, trial) != "done");
    } catch (const UserError& error) {
      set_aside(path, problem_of(error, path));
    }
  }
}

void set_aside_damaged_measurement(const fs::path& folder) {
  if (!fs::is_directory(folder / "bench")) return;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder / "bench"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  for (const fs::path& path : files) {
    const std::string text = read_file(path);
    try {
      BenchFile bench;
      read_fields(parse_json(text, path.string()), path.string() + ": ", bench);
    } catch (const UserError& error) {
      set_aside(path, problem_of(error, path));
    }
  }
}

/// The threads that the records of a plan state, or 0.
int64_t threads_of_records(const fs::path& folder, const Plan& plan) {
  for (const PlannedTrial& trial : plan.trials) {
    const std::string state = trial_state(folder, trial);
    if (state != "done" && state != "failed") continue;
    const json threads =
        read_record(record_path(folder, trial)).environment.value("threads", json());
    if (threads.is_number_integer()) return threads.get<int64_t>();
  }
  return 0;
}

/// The plan that stands in the folder, if any; a damaged one is none.
std::optional<Plan> standing_plan(const fs::path& folder, bool may_set_aside) {
  const fs::path path = folder / "plan.json";
  if (!fs::exists(path)) return std::nullopt;
  read_file(path);  // one that may not be read is not damaged
  try {
    Plan plan = read_plan(folder);
    if (plan.threads == 0) plan.threads = threads_of_records(folder, plan);
    return plan;
  } catch (const UserError& error) {
    if (may_set_aside) set_aside(path, problem_of(error, path));
    return std::nullopt;
  }
}

/// Rates of the variants whose main trials are done in the standing plan: another run may be doing
/// their tuning trials again.
void add_standing_rates(const Plan& standing, const fs::path& folder,
                        std::map<std::string, double>& rates) {
  for (const PlannedTrial& trial : standing.trials)
    if (trial.probe.empty() && trial_state(folder, trial) == "done")
      rates.emplace(trial.variant, trial.config.at("train").at("learning_rate").get<double>());
}

Plan next_plan(const ResolvedStudy& resolved, const fs::path& folder,
               const std::optional<Plan>& standing, const Catalog& catalog,
               const PlanOptions& options) {
  const Study& study = resolved.study;
  const bool goes_on = standing && standing->study == study.name;
  const bool has_threads = study.threads == 0 && goes_on && standing->threads > 0;
  const int64_t threads = has_threads ? standing->threads : threads_of(study);
  Plan plan = make_plan(resolved, threads, {}, catalog);
  if (study.tune.key.empty()) return plan;
  TunedRates rates = tuned_rates(plan, folder);
  if (goes_on) add_standing_rates(*standing, folder, rates);
  if (options.any_rate) rates.merge(first_rates(study));
  return make_plan(resolved, threads, rates, catalog);
}

/// What the records of a folder say, each read once.
TrialEnds recorded_ends(const fs::path& folder) {
  auto known = std::make_shared<std::map<std::string, TrialEnd>>();
  return [folder, known](const PlannedTrial& trial) {
    const auto [at, fresh] = known->try_emplace(trial.id);
    if (!fresh) return at->second;
    const std::string state = trial_state(folder, trial);
    if (state == "done" || state == "failed")
      at->second = end_of(read_record(record_path(folder, trial)));
    return at->second;
  };
}

/// Without a plan the records say whose the folder is.
void refuse_records_of_others(const fs::path& folder, const Plan& next) {
  if (!fs::is_directory(folder / "records")) return;
  for (const auto& entry : fs::directory_iterator(folder / "records")) {
    if (entry.path().extension() != ".json") continue;
    try {
      const std::string study = read_record(entry.path()).study;
      if (study != next.study)
        throw UserError(folder.string(), "holds records of the study '" + study + "', not of '" +
                                             next.study + "'; choose another folder with --out");
    } catch (const DamagedRecord&) {
    }
  }
}

/// What becomes of the standing plan. Throws UserError when it would lose trials and may not.
PlanChange check_change(std::optional<Plan>& standing, const Plan& next, const fs::path& folder,
                        const PlanOptions& options) {
  if (!standing) {
    refuse_records_of_others(folder, next);
    return {};
  }
  if (standing->threads == 0) standing->threads = next.threads;  // nothing was done by it
  PlanChange change = compare_plans(*standing, next, [&](const PlannedTrial& trial) {
    return fs::exists(record_path(folder, trial)) ||
           fs::exists(folder / checkpoint_folder(trial.train_id));
  });
  if (!change.conflict.empty() && !options.replan)
    throw UserError(folder.string(),
                    change.conflict +
                        "; choose another folder with --out, or keep that plan beside the new one "
                        "with --replan");
  return change;
}

void keep_plan(const fs::path& folder) {
  const fs::path to = free_name(folder, "plan.", ".json");
  write_file_durably(to, read_file(folder / "plan.json"));
  std::cerr << "the plan before is kept as " << to.string() << "\n";
}

}  // namespace

fs::path record_path(const fs::path& study_folder, const PlannedTrial& trial) {
  return study_folder / "records" / (trial.id + ".json");
}

fs::path trial_lock_path(const fs::path& study_folder, const PlannedTrial& trial) {
  return study_folder / "work" / (trial.id + ".lock");
}

std::string trial_state(const fs::path& study_folder, const PlannedTrial& trial) {
  const fs::path path = record_path(study_folder, trial);
  try {
    if (fs::exists(path)) return read_outcome(path) == "ok" ? "done" : "failed";
  } catch (const DamagedRecord&) {
    return "damaged";
  }
  const fs::path lock = trial_lock_path(study_folder, trial);
  if (fs::exists(lock) && !FileLock(lock, false).held()) return "running";
  return "missing";
}

std::map<std::string, double> tuned_rates(const Plan& plan, const fs::path& study_folder) {
  std::map<std::string, double> rates;
  for (const std::string& variant : plan.variants)
    if (const RateChoice choice = choose_rate(plan, variant, recorded_ends(study_folder));
        choice.complete && choice.rate)
      rates[variant] = *choice.rate;
  return rates;
}

std::set<std::string> not_needed_trials(const Plan& plan, const fs::path& study_folder) {
  return not_needed_trials(plan, recorded_ends(study_folder));
}

std::vector<std::string> untuned_variants(const Plan& plan) {
  std::set<std::string> tuned, planned;
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.probe == kTuneProbe) tuned.insert(trial.variant);
    if (trial.probe.empty()) planned.insert(trial.variant);
  }
  std::vector<std::string> out;
  for (const std::string& variant : plan.variants)
    if (tuned.count(variant) && !planned.count(variant)) out.push_back(variant);
  return out;
}

ActiveRun::ActiveRun(const fs::path& study_folder) : work_(study_folder / "work") {
  make_writable_folder(work_);
  // A mark that is made while another run looks for marks could be taken for a left-over.
  const FileLock planning(planning_lock(study_folder));
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string name = "run." + std::string(host) + "." + std::to_string(::getpid());
  for (int64_t n = 0; !lock_ || !lock_->held(); ++n) {
    mark_ = work_ / (name + (n > 0 ? "-" + std::to_string(n) : "") + ".lock");
    lock_ = std::make_unique<FileLock>(mark_, /*wait=*/false);
  }
}

ActiveRun::~ActiveRun() {
  std::error_code ignored;
  fs::remove(mark_, ignored);
}

std::string ActiveRun::another() const {
  std::vector<fs::path> marks;
  for (const auto& entry : fs::directory_iterator(work_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("run.") && name.ends_with(".lock") && entry.path() != mark_)
      marks.push_back(entry.path());
  }
  for (const fs::path& mark : marks) {
    if (FileLock(mark, /*wait=*/false).held()) {
      std::error_code ignored;
      fs::remove(mark, ignored);  // of a run that was killed
      continue;
    }
    const std::string name = mark.stem().string().substr(4);  // after "run."
    const size_t dot = name.rfind('.');
    return name.substr(0, dot) + ", process " + name.substr(dot + 1);
  }
  return "";
}

Plan preview_plan(const ResolvedStudy& resolved, const fs::path& study_folder,
                  const Catalog& catalog, const PlanOptions& options) {
  auto standing = standing_plan(study_folder, /*may_set_aside=*/false);
  Plan plan = next_plan(resolved, study_folder, standing, catalog, options);
  check_change(standing, plan, study_folder, options);
  return plan;
}

Plan settle_plan(const ResolvedStudy& resolved, const fs::path& study_folder,
                 const Catalog& catalog, const ActiveRun& run, const PlanOptions& options) {
  const Study& study = resolved.study;
  const FileLock planning(planning_lock(study_folder));
  auto standing = standing_plan(study_folder, /*may_set_aside=*/true);
  const Plan* goes_on = standing && standing->study == study.name ? &*standing : nullptr;
  if (goes_on) set_aside_damaged_records(study_folder, *goes_on, nullptr);
  Plan plan = next_plan(resolved, study_folder, standing, catalog, options);
  const PlanChange change = check_change(standing, plan, study_folder, options);
  if (!change.conflict.empty() || change.differs)
    if (const std::string other = run.another(); !other.empty())
      throw UserError(
          study_folder.string(),
          "another run works there (" + other + ") and its plan is not this one: " +
              (change.conflict.empty() ? "this study has more or other parts" : change.conflict) +
              "; wait for its end, or choose another folder with --out");
  if (!change.conflict.empty() || change.evaluations_grow) keep_plan(study_folder);
  set_aside_damaged_records(study_folder, plan, goes_on);
  set_aside_damaged_training(study_folder, plan);
  set_aside_damaged_measurement(study_folder);
  if (study.text != (fs::exists(study_folder / "study.json")
                         ? read_file(study_folder / "study.json")
                         : std::string()))
    write_file_durably(study_folder / "study.json", study.text);
  plan.study_hash = sha256_hex(study.text);
  write_plan(study_folder, plan);
  return plan;
}

}  // namespace sublab
