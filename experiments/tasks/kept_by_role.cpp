// Counts depths of tokens by their role (experiments/tasks/kept_by_role.h).
#include "experiments/tasks/kept_by_role.h"

#include <algorithm>

#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "experiments/observe/kept_tokens.h"

namespace sublab {
namespace kept_by_role {

int64_t levels_of(const LanguageModel& model) {
  int64_t out = 0;
  for (const SelectionSite& site : model.selection_sites()) out = std::max(out, site.level);
  return out;
}

}  // namespace kept_by_role

KeptByRole::KeptByRole(const LanguageModel& model, std::vector<std::string> names)
    : model_(model),
      names_(std::move(names)),
      n_levels_(kept_by_role::levels_of(model)),
      counts_(n_levels_, static_cast<int64_t>(names_.size())) {}

void KeptByRole::add(const RecordedKeeps& keeps, int64_t row, const std::vector<uint8_t>& roles) {
  const auto depths = depths_of(keeps, model_, row, static_cast<int64_t>(roles.size()));
  for (size_t i = 0; i < roles.size(); ++i) counts_.add(roles[i], depths[i]);
}

void KeptByRole::write(Evaluation& out) const {
  if (n_levels_ == 0) return;
  for (int64_t level = 1; level <= n_levels_; ++level)
    for (size_t role = 0; role < names_.size(); ++role) {
      const auto place = static_cast<int64_t>(role);
      if (counts_.seen(level, place) == 0) continue;
      out.add(metric::at_level(metric::kRoleKept, level),
              counts_.kept(level, place) / counts_.seen(level, place),
              {{condition::kRole, names_[role]}, {"n", counts_.seen(level, place)}});
    }
  out.add_array(array::kKeptByRole, counts_.counts(), counts_.shape());
}

}  // namespace sublab
