#include "core/schema/plan.h"

namespace sublab {

const PlannedTrial* Plan::find(const std::string& id) const {
  for (const auto& trial : trials)
    if (trial.id == id) return &trial;
  return nullptr;
}

void write_plan(const fs::path& study_folder, const Plan& plan) {
  write_file_durably(study_folder / "plan.json", write_fields(plan).dump(1) + "\n");
}

Plan read_plan(const fs::path& study_folder) {
  const fs::path path = study_folder / "plan.json";
  if (!fs::exists(path))
    throw UserError(study_folder.string(), "holds no study (there is no plan.json in it)");
  Plan plan;
  read_fields(parse_json(read_file(path), path.string()), path.string(), plan);
  return plan;
}

}  // namespace sublab
