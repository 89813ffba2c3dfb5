// Copied beside their place, checked, and renamed into it (experiments/run/lent_trainings.h).
#include "experiments/run/lent_trainings.h"

#include <unistd.h>

#include <iostream>
#include <set>

#include "core/error.h"
#include "experiments/run/kept_training.h"

namespace sublab {

void take_trainings(const Plan& plan, const fs::path& study_folder, const fs::path& lender) {
  if (!fs::is_directory(lender / "checkpoints"))
    throw UserError(lender.string(), "is no results folder with checkpoints");
  std::set<std::string> wanted;
  for (const PlannedTrial& trial : plan.trials) wanted.insert(trial.train_id);
  int64_t n = 0;
  for (const std::string& id : wanted) {
    const fs::path from = lender / checkpoint_folder(id), to = study_folder / checkpoint_folder(id);
    if (!is_trained(from) || fs::exists(to)) continue;
    check_training(from, /*used=*/true);
    const fs::path beside = study_folder / "work" / (id + ".lent-" + std::to_string(::getpid()));
    make_writable_folder(beside);
    make_writable_folder(to.parent_path());
    fs::copy(from, beside, fs::copy_options::recursive);
    check_training(beside, /*used=*/true);
    std::error_code taken;  // another run has trained it meanwhile
    fs::rename(beside, to, taken);
    if (taken) fs::remove_all(beside);
    n += !taken;
  }
  if (n > 0) std::cerr << n << " trainings taken from " << lender.string() << "\n";
}

}  // namespace sublab
