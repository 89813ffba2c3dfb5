// What each ladder of sizes is worth in training compute.
#include "analysis/study/scaling.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

struct Ladder {
  std::string name;
  std::vector<LadderPoint> points;
  std::vector<std::string> records;
  size_t n_sizes = 0, n_seeds = 0;
  std::string too_little_text = {};  ///< why nothing follows beyond these documents, or ""
};

Ladder ladder_of(const std::string& name, const json& variants, const StudyData& data) {
  Ladder out{name, {}, {}, variants.size(), data.plan.seeds.size()};
  for (const json& variant : variants) {
    if (out.too_little_text.empty()) out.too_little_text = too_little_text(data.variant(variant));
    for (const Record* record : data.variant(variant).good()) {
      const auto loss = metric_of(*record, metric::kLossNats), flops = training_flops(*record);
      if (!loss || !flops) continue;
      out.points.push_back({*flops, *loss});
      out.records.push_back(record->id);
    }
  }
  return out;
}

bool holds(const json& variants, const std::string& name) {
  for (const json& each : variants)
    if (each == name) return true;
  return false;
}

std::string sentence(const Ladder& ladder, const Ladder& reference, const ComputeWorth& worth) {
  const std::string about = ladder.name + " against " + reference.name + ": ";
  if (!worth.possible) return about + worth.reason + ".";
  if (!worth.times.interval)
    return about + "its worth in training compute has no bounds: " + worth.times.no_interval + ".";
  std::string out = ladder.name + " is worth " + fixed(worth.times.value, 2) +
                    " times the training compute of " + reference.name + " " +
                    interval_text(*worth.times.interval, 2) + ", over " + si_text(worth.low_flops) +
                    "FLOPs to " + si_text(worth.high_flops) + "FLOPs (" +
                    std::to_string(ladder.n_sizes) + " sizes, " + std::to_string(ladder.n_seeds) +
                    (ladder.n_seeds == 1 ? " seed: these checkpoints)." : " seeds).");
  if (worth.parallel_p_value && *worth.parallel_p_value < 0.05)
    out += " The curves are not parallel (p " + significant(*worth.parallel_p_value, 2) +
           "): from " + fixed(worth.times_at_smallest, 2) + " at the small end to " +
           fixed(worth.times_at_largest, 2) + " at the large end.";
  return out;
}

Row row_of(const Ladder& ladder, const ComputeWorth& worth, Report& report) {
  Row row{ladder.name, std::vector<Cell>(5)};
  if (!worth.possible) {
    row.cells[0].notes.push_back(footnote(report, ladder.name + ": " + worth.reason));
    return row;
  }
  const auto number = [&](double value, int digits) {
    Cell cell{fixed(value, digits), value, {}, {}, false, {}, ladder.records};
    return cell;
  };
  if (worth.times.interval) {
    row.cells[0] = estimate_cell(worth.times, 2, ladder.records);
    row.cells[0].strong = !worth.times.interval->contains(1);
  } else {
    row.cells[0] = number(worth.times.value, 2);
    row.cells[0].notes.push_back(footnote(report, "no bounds: " + worth.times.no_interval));
  }
  row.cells[1] = number(worth.exponent, 4);
  if (worth.parallel_p_value) row.cells[2] = number(*worth.parallel_p_value, 3);
  row.cells[3] = number(worth.times_at_smallest, 2);
  row.cells[4] = number(worth.times_at_largest, 2);
  return row;
}

}  // namespace

void add_scaling_table(const StudyData& data, Report& report) {
  if (data.plan.scaling.empty()) return;
  Ladder reference;
  for (const auto& [name, variants] : data.plan.scaling.items())
    if (holds(variants, data.plan.compare_to)) reference = ladder_of(name, variants, data);
  Table table{"Scaling",
              {{"worth", "times the training compute of " + reference.name +
                             ", with Fieller's 95 % interval"},
               {"exponent", "b of loss ~ FLOPs^-b, this curve alone"},
               {"p parallel", "of one slope for both curves"},
               {"at the small end", "worth, from two separate fits"},
               {"at the large end", "worth, from two separate fits"}},
              {}};
  for (const auto& [name, variants] : data.plan.scaling.items()) {
    if (name == reference.name) continue;
    const Ladder ladder = ladder_of(name, variants, data);
    ComputeWorth worth = compute_worth(ladder.points, reference.points);
    for (const std::string& why : {ladder.too_little_text, reference.too_little_text})
      if (!why.empty()) {
        worth.times.interval.reset();
        worth.times.no_interval = why;
        worth.parallel_p_value.reset();
      }
    table.rows.push_back(row_of(ladder, worth, report));
    report.findings.push_back(sentence(ladder, reference, worth));
    if (worth.possible && table.caption.empty())
      table.caption = "Exponent of " + reference.name + ": " + fixed(worth.exponent_reference, 4) +
                      ". Every size has a learning rate of its own where the study tunes one. ";
  }
  report.tables.push_back(table);
}

}  // namespace sublab
