// A trial's own file, for the process that does it.
#include "core/schema/trial_order.h"

namespace sublab {
namespace {

fs::path order_path(const fs::path& study_folder, const std::string& id) {
  return study_folder / "work" / (id + ".trial.json");
}

}  // namespace

TrialOrder order_of(const Plan& plan, const PlannedTrial& trial) {
  const PlannedTrial* parent = plan.find(trial.from);
  return {.study = plan.study,
          .threads = plan.threads,
          .trial = trial,
          .first_seed = trial.seed == plan.seeds.front(),
          .from_train_id = parent ? parent->train_id : "",
          .content = plan.content};
}

void write_trial_order(const fs::path& study_folder, const TrialOrder& order) {
  write_file_durably(order_path(study_folder, order.trial.id), write_fields(order).dump(1) + "\n");
}

TrialOrder read_trial_order(const fs::path& study_folder, const std::string& id) {
  const fs::path path = order_path(study_folder, id);
  if (!fs::exists(path))
    throw UserError(study_folder.string(), "no trial " + id + " is to be done");
  TrialOrder order;
  read_fields(parse_json(read_file(path), path.string()), path.string() + ": ", order);
  return order;
}

}  // namespace sublab
