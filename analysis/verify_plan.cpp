// Plan against plan (analysis/verify_plan.h).
#include "analysis/verify_plan.h"

#include <algorithm>

namespace sublab {
namespace verify_plan {

std::string shown(const json& value) {
  const std::string text = value.dump();
  return text.size() <= 100 ? text : text.substr(0, 97) + "...";
}

/// The first value of `standing` that is another one in `resolved`, or "".
std::string first_difference(const json& standing, const json& resolved, const std::string& path) {
  if (standing.is_object() && resolved.is_object()) {
    for (const auto& [key, value] : standing.items()) {
      const std::string at = path.empty() ? key : path + "." + key;
      if (!resolved.contains(key)) return at + " is " + shown(value) + ", of which it says nothing";
      if (std::string found = first_difference(value, resolved[key], at); !found.empty())
        return found;
    }
    return "";
  }
  if (standing == resolved) return "";
  return path + " is " + shown(standing) + ", study.json gives " + shown(resolved);
}

/// Of the grid each rate is a trial of its own; others are told by variant, probe and seed.
std::string place_of(const PlannedTrial& trial) {
  std::string out = trial.label();
  if (trial.probe == kTuneProbe)
    out +=
        ", rate " + trial.config.value(json::json_pointer("/train/learning_rate"), json()).dump();
  return out;
}

void hold_trials_against(const Plan& standing, const Plan& resolved, PlanAgreement& out) {
  int64_t other_ids = 0;
  std::vector<const PlannedTrial*> left;
  for (const PlannedTrial& trial : resolved.trials) left.push_back(&trial);
  for (const PlannedTrial& trial : standing.trials) {
    const std::string place = place_of(trial);
    const auto found = std::find_if(left.begin(), left.end(), [&](const PlannedTrial* each) {
      return place_of(*each) == place;
    });
    if (found == left.end()) {
      out.problems.push_back("plan.json: " + place + " is no trial of study.json");
      continue;
    }
    const std::string difference = first_difference(trial.config, (*found)->config, "");
    if (!difference.empty()) out.problems.push_back("plan.json: " + place + ": " + difference);
    other_ids += difference.empty() && trial.id != (*found)->id;
    left.erase(found);
  }
  for (const PlannedTrial* trial : left)
    out.problems.push_back("plan.json: " + place_of(*trial) + " of study.json is missing");
  if (other_ids > 0)
    out.remarks.push_back(
        std::to_string(other_ids) + " of " + std::to_string(standing.trials.size()) +
        " trials have other ids than this program gives them: the numerics or the settings of "
        "another version, or ids that were altered");
}

}  // namespace verify_plan

PlanAgreement hold_plan_against(const Plan& standing, const Plan& resolved) {
  PlanAgreement out;
  json frame = write_fields(standing), expected = write_fields(resolved);
  // Trials are told apart one by one; an older plan has no threads and no content.
  for (const char* key : {"trials", "digest", "study_hash", "content"})
    frame.erase(key), expected.erase(key);
  if (standing.threads == 0) frame.erase("threads"), expected.erase("threads");
  for (const auto& [key, value] : frame.items()) {
    const std::string difference = verify_plan::first_difference(value, expected.at(key), key);
    if (!difference.empty()) out.problems.push_back("plan.json: " + difference);
  }
  for (const std::string& each : content_differences(standing.content, resolved.content))
    out.problems.push_back("plan.json: " + each);
  verify_plan::hold_trials_against(standing, resolved, out);
  return out;
}

}  // namespace sublab
