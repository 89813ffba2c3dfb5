// What of a plan another one would lose (core/schema/plan_change.h).
#include "core/schema/plan_change.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// The trials of a plan by where they stand, so that a plan of thousands is not searched for each.
class Places {
 public:
  explicit Places(const Plan& plan) {
    for (const PlannedTrial& trial : plan.trials) {
      trials_[trial.label()].push_back(&trial);
      if (trial.probe == kTuneProbe) tuned_.insert(trial.variant);
    }
  }

  /// A main trial whose learning rate trials of the same plan have chosen.
  bool follows_from_tuning(const PlannedTrial& trial) const {
    return trial.probe.empty() && tuned_.contains(trial.variant);
  }

  /// The trial that stands where `trial` stood; of several tuning trials, that of its rate.
  const PlannedTrial* counterpart(const PlannedTrial& trial) const {
    const auto found = trials_.find(trial.label());
    if (found == trials_.end()) return nullptr;
    if (trial.probe != kTuneProbe) return found->second.front();
    const json::json_pointer rate("/train/learning_rate");
    for (const PlannedTrial* other : found->second)
      if (trial.config.value(rate, json()) == other->config.value(rate, json())) return other;
    return nullptr;
  }

 private:
  std::map<std::string, std::vector<const PlannedTrial*>> trials_;
  std::set<std::string> tuned_;
};

/// What a trial is asked, without which arrays it keeps, how many questions it answers at once and
/// where data of the user's own lie: those decide none of its numbers.
json questions_of(const PlannedTrial& trial) {
  json tasks = trial.config.value("evaluate", json::array());
  for (json& task : tasks) {
    task = without_folder(task);
    if (task.is_object()) task.erase("keep"), task.erase(condition::kBatch);
  }
  return tasks;
}

/// Every task that `trial` is evaluated on is one of `next`, too.
bool keeps_evaluations(const PlannedTrial& trial, const PlannedTrial& next) {
  const json tasks = questions_of(next);
  for (const json& task : questions_of(trial))
    if (std::find(tasks.begin(), tasks.end(), task) == tasks.end()) return false;
  return true;
}

/// "train.tokens is 4096 there and 8192 now", of the first of the leaves that differ.
std::string first_difference(const json& before, const json& now) {
  const json a = before.flatten(), b = now.flatten();
  std::set<std::string> keys;
  for (const json* each : {&a, &b})
    for (const auto& [key, value] : each->items()) keys.insert(key);
  std::string text;
  int64_t n = 0;
  // Flattened, what is empty has become null.
  const auto shown = [](const json& root, const std::string& key) {
    const json::json_pointer place(key);
    return root.contains(place) ? root.at(place).dump() : "not there";
  };
  for (const std::string& key : keys) {
    if (a.value(key, json()) == b.value(key, json()) && a.contains(key) == b.contains(key))
      continue;
    if (n++ > 0) continue;
    std::string name = key.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    text = name + " is " + shown(before, key) + " in its plan and " + shown(now, key) + " now";
  }
  if (n > 1) text += ", and " + std::to_string(n - 1) + " more differ";
  return text;
}

std::string how_it_differs(const PlannedTrial& trial, const PlannedTrial* other,
                           const Plan& standing, const Plan& next) {
  if (!other) return "it is not in the study now";
  const std::string difference = first_difference(trial.config, other->config);
  if (!difference.empty()) return difference;
  const auto content = content_differences(standing.content, next.content);
  if (!content.empty()) return join(content, "; ");
  return "its settings are the same, but its text, the weights that it starts from or the numerics "
         "of the program are not";
}

/// What the trials of a plan do not say of it.
struct FrameWriter : fields_detail::Writer {
  template <class T>
  void operator()(const char* name, T& value, const char* help, const Rule& rule = {}) {
    const std::string_view key = name;
    if (key != "trials" && key != "digest" && key != "threads" && key != "study_hash")
      Writer::operator()(name, value, help, rule);
  }
};

json frame_of(const Plan& plan) {
  FrameWriter writer;
  const_cast<Plan&>(plan).fields(writer);  // as write_fields does: a writer changes nothing
  return writer.object;
}

}  // namespace

PlanChange compare_plans(const Plan& standing, const Plan& next,
                         const std::function<bool(const PlannedTrial&)>& is_done) {
  PlanChange out;
  const std::string n_trials = std::to_string(standing.trials.size());
  if (standing.study != next.study) {
    out.conflict = "holds the study '" + standing.study + "' (" + n_trials + " trials), not '" +
                   next.study + "'";
    return out;
  }
  if (standing.threads != next.threads) {
    out.conflict = "threads is " + std::to_string(standing.threads) + " in its plan and " +
                   std::to_string(next.threads) + " now, for all of its " + n_trials + " trials";
    return out;
  }
  const Places before(standing), now(next);
  if (standing.equivalence != next.equivalence &&
      std::any_of(standing.trials.begin(), standing.trials.end(), is_done)) {
    out.conflict = "states other margins of equivalence in its plan (" +
                   write_fields(standing.equivalence).dump() + ") than the study does now (" +
                   write_fields(next.equivalence).dump() +
                   "), and trials are done: a margin is stated before there are results";
    return out;
  }
  int64_t n_lost = 0, n_done = 0;
  std::string first;
  for (const PlannedTrial& trial : standing.trials) {
    if (next.find(trial.id)) continue;
    if (before.follows_from_tuning(trial) && !is_done(trial)) continue;
    const PlannedTrial* other = now.counterpart(trial);
    if (other && other->train_id == trial.train_id && keeps_evaluations(trial, *other)) {
      out.evaluations_grow = true;
      continue;
    }
    n_done += is_done(trial);
    if (n_lost++ == 0) first = trial.label() + ": " + how_it_differs(trial, other, standing, next);
  }
  if (n_done > 0)
    out.conflict = "holds another plan of this study, of which " + std::to_string(n_lost) + " of " +
                   n_trials + " trials (" + std::to_string(n_done) + " done) would be lost; " +
                   first;
  out.differs = n_lost > 0 || out.evaluations_grow || frame_of(standing) != frame_of(next);
  for (const PlannedTrial& trial : next.trials)
    if (!standing.find(trial.id) && !now.follows_from_tuning(trial)) out.differs = true;
  return out;
}

}  // namespace sublab
