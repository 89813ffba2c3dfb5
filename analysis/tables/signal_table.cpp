// Signal and noise of accuracies: whether a task tells this study's variants apart at all.
#include <algorithm>
#include <cmath>

#include "analysis/statistics/student.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace signal_table {

/// Accuracies of one variant, a seed each.
using Group = std::vector<double>;

double mean(const Group& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// One-way analysis of variance.
struct Signal {
  double between = 0;  ///< standard deviation of the variants' means
  double within = 0;   ///< of the seeds of a variant, pooled
  double p_value = 1;  ///< that variants alike would differ as much
  double lowest = 0, highest = 0;
};

/// Of two groups or more, one of which at least has two values.
Signal signal_of(const std::vector<Group>& groups) {
  Signal out;
  double n = 0, total = 0, sum_within = 0, sum_between = 0, sum_means = 0;
  Group means;
  for (const Group& group : groups) {
    means.push_back(mean(group));
    n += static_cast<double>(group.size());
    total += means.back() * static_cast<double>(group.size());
    for (const double value : group) sum_within += std::pow(value - means.back(), 2);
  }
  const auto k = static_cast<double>(groups.size());
  const double centre = mean(means);
  for (size_t i = 0; i < groups.size(); ++i) {
    sum_between += static_cast<double>(groups[i].size()) * std::pow(means[i] - total / n, 2);
    sum_means += std::pow(means[i] - centre, 2);
  }
  out.between = std::sqrt(sum_means / (k - 1));
  out.within = std::sqrt(sum_within / (n - k));
  out.lowest = *std::min_element(means.begin(), means.end());
  out.highest = *std::max_element(means.begin(), means.end());
  if (sum_within > 0)
    out.p_value =
        variance_ratio_p_value(sum_between / (k - 1) / (sum_within / (n - k)), k - 1, n - k);
  else
    out.p_value = sum_between > 0 ? 0 : 1;
  return out;
}

std::vector<Group> groups_of(const StudyData& data, const Slot& slot, const EvaluationOf& of,
                             std::vector<std::string>& records) {
  std::vector<Group> out;
  for (const VariantData& variant : data.variants) {
    Group group;
    for (const Record* record : answering(variant, of)) {
      const Metric* metric = slot.of(*record, of(*record));
      if (!metric || !metric->value) continue;
      group.push_back(*metric->value);
      records.push_back(record->id);
    }
    if (!group.empty()) out.push_back(group);
  }
  return out;
}

void add_row(const StudyData& data, const Asked& asked, const Slot& slot, Table& table) {
  std::vector<std::string> records;
  const std::vector<Group> groups = groups_of(data, slot, asked.of, records);
  const bool repeats = std::any_of(groups.begin(), groups.end(),
                                   [](const Group& group) { return group.size() > 1; });
  if (groups.size() < 2 || !repeats) return;
  const Signal signal = signal_of(groups);
  constexpr double kLevel = 0.05;
  const bool tells = signal.p_value < kLevel;
  const auto number = [&](double value, int digits) {
    return Cell{fixed(value, digits), value, {}, {}, false, {}, records};
  };
  Row row{asked.title(slot.heading), {}};
  row.cells = {
      number(signal.lowest, 3),
      number(signal.highest, 3),
      number(signal.between, 4),
      number(signal.within, 4),
      number(signal.p_value, 4),
      Cell{tells ? "tells variants apart" : "tells nothing here", {}, {}, {}, tells, {}, records}};
  table.rows.push_back(row);
}

}  // namespace signal_table

void add_signal_table(const StudyData& data, Report& report) {
  using namespace signal_table;
  Table table{"Signal and noise of accuracies",
              {{"lowest", "mean over seeds of the worst variant"},
               {"highest", "mean over seeds of the best variant"},
               {"between variants", "standard deviation of the variants' means"},
               {"between seeds", "standard deviation of one variant's seeds, pooled"},
               {"p", "that variants alike would lie as far apart (one-way analysis of variance)"},
               {"verdict", "at a level of 0.05, each row by itself, without correction"}},
              {}};
  const auto records = shown_records(data);
  for (const Asked& asked : asked_of(data))
    for (const Slot& slot : slots_of(records, asked.of))
      if (metric::is_accuracy(slot.name)) add_row(data, asked, slot, table);
  if (table.rows.empty()) return;
  table.caption =
      "Where variants lie no further apart than seeds do, a difference between two of them says "
      "nothing. ";
  report.tables.push_back(table);
}

}  // namespace sublab
