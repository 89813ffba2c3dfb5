// Recording decisions, and the even ones.
#include "models/keeps.h"

#include <cmath>

namespace sublab {

void RecordedKeeps::record(int64_t site, int64_t row, int64_t ordinal, bool kept) {
  if (static_cast<size_t>(site) >= decided.size()) decided.resize(site + 1);
  auto& rows = decided[site];
  if (static_cast<size_t>(row) >= rows.size()) rows.resize(row + 1);
  auto& ordinals = rows[row];
  if (static_cast<size_t>(ordinal) >= ordinals.size()) ordinals.resize(ordinal + 1);
  ordinals[ordinal] = kept;
}

bool EvenKeeps::keep(int64_t site, int64_t, int64_t ordinal) const {
  return evenly_kept(ordinal, fraction_.at(site));
}

bool evenly_kept(int64_t ordinal, double fraction) {
  constexpr double kSlack = 1e-9;  // 25 * 0.64 must floor to 16
  const double t = static_cast<double>(ordinal);
  return std::floor((t + 1) * fraction + kSlack) > std::floor(t * fraction + kSlack);
}

}  // namespace sublab
