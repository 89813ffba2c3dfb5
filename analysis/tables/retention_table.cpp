// Loss against retention, with the knee named.
#include "analysis/study/retention_sweep.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

std::string knee_caption(const RetentionSweep& sweep) {
  const Knee& knee = sweep.knee;
  const std::string method =
      "The knee is the retention whose mean loss lies furthest below the chord between the ends, "
      "both axes scaled to [0, 1]. ";
  if (!knee.retention) return method + "No knee: " + knee.no_knee + ". ";
  return method + "Knee: " + significant(*knee.retention, 3) + " (" + significant(knee.low, 3) +
         " to " + significant(knee.high, 3) + " over " + std::to_string(sweep.n_seeds) +
         (sweep.n_seeds == 1 ? " seed). " : " seeds taken alone). ");
}

}  // namespace

void add_retention_tables(const StudyData& data, Report& report) {
  const auto sweeps = retention_sweeps(data);
  for (const RetentionSweep& sweep : sweeps) {
    Table table{"Loss against retention" + (sweeps.size() > 1 ? ", " + sweep.name : ""),
                {{"retention", "share of its parent that a level keeps in training"},
                 {"loss", "nats per token, with 95 % interval"},
                 {"below the chord", "scaled distance; the largest is the knee"}},
                {}};
    for (size_t v = 0; v < sweep.variants.size(); ++v) {
      const Cell loss = loss_cell(*sweep.variants[v], nullptr, report);
      Cell retention, below;
      retention.value = sweep.retentions[v];
      retention.text = significant(sweep.retentions[v], 3);
      below.value = sweep.below_chord[v];
      below.text = signed_fixed(sweep.below_chord[v], 3);
      below.strong = sweep.knee.retention == sweep.retentions[v];
      retention.records = below.records = loss.records;
      table.rows.push_back({sweep.variants[v]->name, {retention, loss, below}});
    }
    table.caption = knee_caption(sweep);
    report.tables.push_back(table);
  }
}

}  // namespace sublab
