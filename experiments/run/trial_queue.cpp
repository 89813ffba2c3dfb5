// The order of trials (experiments/run/trial_queue.h).
#include "experiments/run/trial_queue.h"

#include <algorithm>
#include <unordered_map>

#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

/// Of each trial the place of the one that its parents lead back to.
std::vector<size_t> origins_of(const std::vector<const PlannedTrial*>& trials) {
  std::unordered_map<std::string, size_t> places;
  std::vector<size_t> out;
  for (size_t i = 0; i < trials.size(); ++i) {
    const auto parent = places.find(trials[i]->from);
    out.push_back(parent == places.end() ? i : out[parent->second]);
    places.emplace(trials[i]->id, i);
  }
  return out;
}

}  // namespace

TrialQueue::TrialQueue(const Plan& plan, const std::vector<const PlannedTrial*>& trials,
                       const RunOptions& options, RunSummary& summary)
    : plan_(plan), folder_(options.out) {
  const std::vector<size_t> origins = origins_of(trials);
  const std::set<std::string> not_needed = not_needed_trials(plan, folder_);
  for (size_t i = 0; i < trials.size(); ++i) {
    if (static_cast<int64_t>(origins[i]) % options.n_shards != options.shard - 1) continue;
    if (not_needed.contains(trials[i]->id)) continue;
    ++summary.matched;
    if (trial_state(folder_, *trials[i]) == "done") {
      ++summary.skipped;
      continue;
    }
    waiting_.push_back(trials[i]);
    waiting_ids_.insert(trials[i]->id);
  }
}

bool TrialQueue::may_start(const PlannedTrial& trial, const std::set<std::string>& running) const {
  const PlannedTrial* parent = plan_.find(trial.from);
  if (!parent) return true;
  if (waiting_ids_.count(parent->id) || running.count(parent->id)) return false;
  return trial_state(folder_, *parent) != "running";
}

const PlannedTrial* TrialQueue::take(const std::set<std::string>& running) {
  const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const PlannedTrial* trial) {
    return may_start(*trial, running);
  });
  if (next == waiting_.end()) return nullptr;
  const PlannedTrial* trial = *next;
  waiting_.erase(next);
  waiting_ids_.erase(trial->id);
  return trial;
}

}  // namespace sublab
