// How good each variant is: the headline's loss and what follows from it, and every task that is
// asked in one way. Tasks that are asked in several ways have tables of their own
// (question_tables.cpp).
#include <algorithm>
#include <set>

#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

Cell causality_cell(const VariantData& variant) {
  Cell cell;
  for (const Record* record : variant.good()) {
    const std::string verdict = record->audit.value("verdict", "not audited");
    cell.text = cell.records.empty() || cell.text == verdict ? verdict : "differs by seed";
    cell.records.push_back(record->id);
  }
  return cell;
}

/// Metrics that the table has of the headline, or that stand in sentences under the tables.
bool is_said_elsewhere(const std::string& name) {
  static const std::set<std::string> names = {metric::kLossNats,       metric::kPerplexity,
                                              metric::kBitsPerByte,    metric::kSelectionGapNats,
                                              metric::kLossEarlyNats,  metric::kLossLateNats,
                                              metric::kTrigramLossNats};
  return names.contains(name) || has_table_by_condition(name) || metric::is_shown_apart(name) ||
         metric::is_of_family(name, metric::kKeptFraction) ||
         metric::is_of_family(name, metric::kRoleKept);
}

/// A column of a task that is asked in one way.
struct TaskColumn {
  Slot slot;
  EvaluationOf of;
  /// Of the task's accuracy, or null where it left no answers per row.
  const std::vector<Comparison>* comparisons = nullptr;
  Chance chance = {};
};

const std::vector<Comparison>* comparisons_of(const std::vector<AccuracyComparisons>& all,
                                              const std::string& task, const Slot& slot) {
  const bool compared = slot.name == metric::accuracy_of(task) && slot.apart.empty();
  const AccuracyComparisons* found = compared ? find_task(all, task) : nullptr;
  return found ? &found->comparisons.front() : nullptr;
}

std::vector<TaskColumn> task_columns(const StudyData& data,
                                     const std::vector<AccuracyComparisons>& accuracies) {
  std::vector<TaskColumn> out;
  const auto records = shown_records(data);
  for (const TaskQuestions& task : questions_of(data)) {
    if (task.spanned) continue;
    const EvaluationOf of = evaluation_of(task.task);
    for (const Slot& slot : slots_of(records, of))
      if (!is_said_elsewhere(slot.name))
        out.push_back(
            {.slot = slot, .of = of, .comparisons = comparisons_of(accuracies, task.task, slot)});
  }
  // What a probe was to measure has a column even where none of its trials ended well.
  for (const VariantData& variant : data.variants)
    for (const auto& [probe, probed] : variant.probes) {
      const std::string name = metric::accuracy_of(probe);
      const bool ended = std::any_of(probed.begin(), probed.end(),
                                     [](const Record& record) { return record.outcome == "ok"; });
      const bool known = std::any_of(out.begin(), out.end(), [&](const TaskColumn& column) {
        return column.slot.name == name;
      });
      if (ended || known || probe == kTuneProbe) continue;
      const MetricInfo info = metric_info(name);
      out.push_back({.slot = {.name = name, .heading = info.heading, .help = info.help},
                     .of = evaluation_of(probe)});
    }
  return out;
}

void add_headline_cells(const VariantData& variant, const Comparison* comparison, Row& row,
                        Report& report) {
  row.cells.push_back(loss_cell(variant, nullptr, report));
  row.cells.push_back(comparison ? difference_cell(*comparison, report) : Cell{});
  row.cells.push_back(comparison ? verdict_cell(*comparison) : Cell{});
  row.cells.push_back(metric_cell(variant, metric::kBitsPerByte, report));
  for (const Record* record : variant.good())
    if (const Metric* bits = record->find_headline(metric::kBitsPerByte);
        bits && bits->value && !bits->note.empty()) {
      row.cells.back().notes.push_back(footnote(report, "bits/byte " + bits->note));
      break;
    }
  row.cells.push_back(metric_cell(variant, metric::kPerplexity, report));
  row.cells.push_back(metric_cell(variant, metric::kSelectionGapNats, report));
}

void add_task_columns(const TaskColumn& task, const std::string& reference, Table& table) {
  table.columns.push_back({task.slot.heading, task.slot.help});
  if (!task.comparisons) return;
  table.columns.push_back({task.slot.heading + ": minus " + reference, kAccuracyDifferenceHelp});
  table.columns.push_back({task.slot.heading + ": verdict", kTaskVerdictHelp});
}

void add_task_cells(const VariantData& variant, const std::string& reference, TaskColumn& task,
                    Row& row, Report& report) {
  row.cells.push_back(metric::is_accuracy(task.slot.name)
                          ? accuracy_cell(variant, task.slot, task.of, task.chance, report)
                          : slot_cell(variant, task.slot, task.of, report));
  if (!task.comparisons) return;
  const Comparison* comparison = with_reference(*task.comparisons, variant.name, reference);
  row.cells.push_back(comparison ? difference_cell(*comparison, report) : Cell{});
  row.cells.push_back(comparison ? verdict_cell(*comparison) : Cell{});
}

}  // namespace

void add_quality_table(const StudyData& data, const std::vector<Comparison>& comparisons,
                       const std::vector<AccuracyComparisons>& accuracies, Report& report) {
  const std::string& reference = data.plan.compare_to;
  const auto column = [](const char* name) {
    const MetricInfo info = metric_info(name);
    return Column{info.heading, info.help};
  };
  Table table{kQualityTitle,
              {column(metric::kLossNats),
               {"minus " + reference, kDifferenceHelp},
               {"verdict", kVerdictHelp},
               column(metric::kBitsPerByte),
               column(metric::kPerplexity),
               column(metric::kSelectionGapNats)},
              {}};
  const auto kept = kept_slots(data);
  auto tasks = task_columns(data, accuracies);
  for (const KeptSlot& slot : kept) table.columns.push_back({slot.heading, slot.help});
  for (const TaskColumn& task : tasks) add_task_columns(task, reference, table);
  table.columns.push_back({"causality", "audit of the trained weights in fp64"});
  for (const VariantData& variant : data.variants) {
    Row row{variant.name, {}};
    add_headline_cells(variant, with_reference(comparisons, variant.name, reference), row, report);
    for (const KeptSlot& slot : kept)
      row.cells.push_back(metric_cell(
          variant.good(), slot.name, [&](const Record& record) { return slot.of(record); },
          report));
    for (TaskColumn& task : tasks) add_task_cells(variant, reference, task, row, report);
    row.cells.push_back(causality_cell(variant));
    table.rows.push_back(row);
  }
  for (const TaskColumn& task : tasks)
    if (metric::is_accuracy(task.slot.name))
      table.caption += "Chance at " + task.slot.heading + " is " + task.chance.text() + ". ";
  report.tables.push_back(table);
}

}  // namespace sublab
