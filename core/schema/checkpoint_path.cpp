// Finds the weights of STUDY_DIR:VARIANT[@SEED] through the study's plan.
#include "core/schema/checkpoint_path.h"

#include <algorithm>

#include "core/error.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {
namespace {

/// Place of the colon that ends the study's folder, or npos. A folder's name may hold colons, a
/// variant's does not.
size_t colon_of(const std::string& given) {
  const size_t colon = given.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::string::npos;
  std::error_code ignored;
  return fs::is_regular_file(given.substr(0, colon) + "/plan.json", ignored) ? colon
                                                                             : std::string::npos;
}

std::string seeds_text(const std::vector<const PlannedTrial*>& trials) {
  std::vector<std::string> seeds;
  for (const PlannedTrial* trial : trials) seeds.push_back(std::to_string(trial->seed));
  return join(seeds);
}

const PlannedTrial& find_trial(const Plan& plan, const std::string& given, size_t colon) {
  const std::string rest = given.substr(colon + 1);
  const size_t at = rest.rfind('@');
  const std::string variant = rest.substr(0, at);
  const std::string seed = at == std::string::npos ? "" : rest.substr(at + 1);
  if (std::find(plan.variants.begin(), plan.variants.end(), variant) == plan.variants.end())
    throw_unknown_name(given, "variant", variant, plan.variants);
  std::vector<const PlannedTrial*> trials;
  for (const PlannedTrial& trial : plan.trials)
    if (trial.variant == variant && trial.probe.empty()) trials.push_back(&trial);
  if (trials.empty())
    throw UserError(given, "is not planned yet: the study's learning rates are still being tuned");
  if (at == std::string::npos) return *trials.front();
  for (const PlannedTrial* trial : trials)
    if (std::to_string(trial->seed) == seed) return *trial;
  throw UserError(given, "the study has no seed '" + seed + "'; its seeds: " + seeds_text(trials));
}

/// Why the folder of a trial's weights is not there.
std::string reason_of_absence(const fs::path& study, const PlannedTrial& trial) {
  const fs::path record = study / "records" / (trial.id + ".json");
  if (!fs::exists(record)) return "is not trained yet; run the study first";
  const std::string outcome = read_record(record).outcome;
  if (outcome != "ok") return "has no checkpoint: its trial ended as " + outcome;
  return "has no checkpoint in " + (study / checkpoint_folder(trial.train_id)).string() +
         " (checkpoints are not kept in git); run the study into a new folder to make it";
}

}  // namespace

bool names_variant(const std::string& given) { return colon_of(given) != std::string::npos; }

fs::path find_checkpoint(const std::string& given) {
  std::error_code ignored;
  if (fs::is_directory(given, ignored)) {
    if (fs::exists(fs::path(given) / "config.json", ignored) ||
        !fs::exists(fs::path(given) / "plan.json", ignored))
      return given;
    const Plan plan = read_plan(given);
    throw UserError(given, "is a study, not a checkpoint; name one of its variants: " + given +
                               ":" + plan.compare_to + " (of: " + join(plan.variants) + ")");
  }
  const size_t colon = colon_of(given);
  if (colon == std::string::npos)
    throw UserError(given,
                    "is not a checkpoint folder, nor STUDY_DIR:VARIANT[@SEED] with a study's "
                    "folder");
  const fs::path study = given.substr(0, colon);
  const Plan plan = read_plan(study);
  const PlannedTrial& trial = find_trial(plan, given, colon);
  const fs::path folder = study / checkpoint_folder(trial.train_id);
  if (!fs::exists(folder / "config.json")) throw UserError(given, reason_of_absence(study, trial));
  return folder;
}

}  // namespace sublab
