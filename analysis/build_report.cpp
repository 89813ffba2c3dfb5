// The order in which the parts of a report are made.
#include "analysis/build_report.h"

#include <cmath>

#include "analysis/figures/figures.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/claims_table.h"
#include "analysis/tables/memory_gate_table.h"
#include "analysis/tables/selection_tables.h"
#include "analysis/tables/speed_table.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

void add_records(const StudyData& data, Report& report) {
  for (const VariantData& variant : data.variants) {
    std::vector<std::string> ids;
    for (const Record& record : variant.records) ids.push_back(record.id);
    for (const auto& [probe, records] : variant.probes)
      for (const Record& record : records) ids.push_back(record.id);
    report.records.emplace_back(variant.name, ids);
  }
}

/// A number that came out as none, such as a ratio to 0, is shown as no value, with the reason.
void refuse_non_finite(Cell& cell, Report& report) {
  const auto finite = [](const std::optional<double>& value) {
    return !value || std::isfinite(*value);
  };
  if (finite(cell.value) && finite(cell.low) && finite(cell.high)) return;
  cell = Cell{"–", {}, {}, {}, false, cell.notes, cell.records};
  cell.notes.push_back(
      footnote(report, "no finite number: something is divided by 0, or too large"));
}

/// How to read the numbers of a table, as far as it has such numbers.
void add_reading_aid(Table& table) {
  bool interval = false, deviation = false, strong = false;
  for (const Row& row : table.rows)
    for (const Cell& cell : row.cells) {
      interval = interval || (cell.low && cell.text.find('[') != std::string::npos);
      deviation = deviation || cell.text.find("±") != std::string::npos;
      strong = strong || cell.strong;
    }
  if (interval) table.caption += "[low, high]: 95 % interval. ";
  if (deviation) table.caption += "±: standard deviation over seeds. ";
  if (strong) table.caption += "Bold: the verdict is clear. ";
  while (table.caption.ends_with(' ')) table.caption.pop_back();
}

/// A study that was measured and never run.
void add_measured_only(const StudyData& data, Report& report) {
  add_speed_tables(*data.bench, report);
  add_break_even_tables(*data.bench, report);
  add_context_table(data, report);
  add_claims_table(data, report);
  add_figures(data, report);
  finish_tables(report);
}

}  // namespace

void finish_tables(Report& report) {
  for (Table& table : report.tables) {
    for (Row& row : table.rows)
      for (Cell& cell : row.cells) refuse_non_finite(cell, report);
    move_constant_columns(table);
    add_reading_aid(table);
  }
}

Report build_report(const fs::path& study_folder) {
  const StudyData data = read_study_or_bench(study_folder);
  Report report;
  report.study = data.plan.study;
  report.question = data.plan.question;
  if (!data.has_records()) {
    add_measured_only(data, report);
    return report;
  }
  const auto comparisons =
      lacks_losses(data) ? std::vector<Comparison>() : declared_comparisons(data);
  const auto accuracies = accuracy_comparisons(data);
  add_quality_table(data, comparisons, accuracies, report);
  add_question_tables(data, accuracies, report);
  add_by_condition_tables(data, report);
  add_seed_tables(data, comparisons, accuracies, report);
  add_cost_table(data, report);
  add_comparison_tables(comparisons, accuracies, report);
  add_signal_table(data, report);
  add_equal_cost_tables(data, comparisons, report);
  add_retention_tables(data, report);
  add_scaling_table(data, report);
  if (data.bench) add_speed_tables(*data.bench, report);
  add_overview_table(data, report);
  if (data.bench) add_break_even_tables(*data.bench, report);
  add_context_table(data, report);
  add_held_selection_table(data, report);
  add_kept_by_role_tables(data, report);
  add_group_tables(data, report);
  add_selection_tables(data, report);
  add_memory_gate_table(data, report);
  add_training_text_tables(data, report);
  add_claims_table(data, report);
  add_checkpoints_table(data, report);
  add_facts(data, comparisons, report);
  add_data_facts(data, report);
  add_records(data, report);
  add_figures(data, report);
  finish_tables(report);
  return report;
}

void add_bench_report(const fs::path& study_folder, Report& report) {
  const auto bench = read_bench(study_folder);
  if (!bench) throw UserError(study_folder.string(), "has no speed measurement");
  report.study = read_plan(study_folder).study;
  add_speed_tables(*bench, report);
  add_break_even_tables(*bench, report);
  finish_tables(report);
}

}  // namespace sublab
