// Tasks that a study asks in several ways: a table spans what varies between them.
#include <algorithm>
#include <cctype>

#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(text[0]));
  return text;
}

/// The slots that any of the questions has.
std::vector<Slot> slots_of(const TaskQuestions& task, const std::vector<const Record*>& records) {
  std::vector<Slot> out;
  for (const AskedQuestion& question : task.questions)
    for (const Slot& slot : slots_of(records, answer_in(question)))
      if (std::none_of(out.begin(), out.end(), [&](const Slot& other) {
            return other.name == slot.name && other.apart == slot.apart;
          }))
        out.push_back(slot);
  return out;
}

/// Loss, difference and verdict of each question.
void add_loss_table(const StudyData& data, const TaskQuestions& task, Report& report) {
  const std::string& reference = data.plan.compare_to;
  Table table{"Loss by " + task.axis, {}, {}};
  for (const AskedQuestion& question : task.questions) {
    table.columns.push_back({question.label, metric_info(metric::kLossNats).help});
    table.columns.push_back({question.label + ": minus " + reference, kDifferenceHelp});
    table.columns.push_back({question.label + ": verdict",
                             "after Holm's correction over the comparisons of this table"});
  }
  const auto comparisons = declared_comparisons(data, task.questions);
  for (const VariantData& variant : data.variants) {
    Row row{variant.name, {}};
    for (size_t q = 0; q < task.questions.size(); ++q) {
      const Comparison* own = with_reference(comparisons[q], variant.name, reference);
      row.cells.push_back(loss_cell(variant, &task.questions[q], report));
      row.cells.push_back(own ? difference_cell(*own, report) : Cell{});
      row.cells.push_back(own ? verdict_cell(*own) : Cell{});
    }
    table.rows.push_back(row);
  }
  table.caption = "Verdicts are corrected over all comparisons of this table together. ";
  report.tables.push_back(table);
}

std::string chance_caption(const TaskQuestions& task, const std::vector<Chance>& chances) {
  const bool alike = std::all_of(chances.begin(), chances.end(),
                                 [&](const Chance& chance) { return chance == chances.front(); });
  std::vector<std::string> texts;
  for (size_t q = 0; q < chances.size(); ++q)
    if (q == 0 || !alike)
      texts.push_back(chances[q].text() + (alike ? "" : " at " + task.questions[q].label));
  return "Chance is " + join(texts) + ". ";
}

/// `compared` is null where the task left no answers per row.
void add_accuracy_table(const StudyData& data, const TaskQuestions& task, const Slot& slot,
                        const AccuracyComparisons* compared, Report& report) {
  const std::string& reference = data.plan.compare_to;
  Table table{capitalised(slot.heading) + " by " + task.axis, {}, {}};
  for (const AskedQuestion& question : task.questions) {
    table.columns.push_back({question.label, slot.help});
    if (!compared) continue;
    table.columns.push_back({question.label + ": minus " + reference, kAccuracyDifferenceHelp});
    table.columns.push_back({question.label + ": verdict", kTaskVerdictHelp});
  }
  std::vector<Chance> chances(task.questions.size());
  for (const VariantData& variant : data.variants) {
    Row row{variant.name, {}};
    for (size_t q = 0; q < task.questions.size(); ++q) {
      row.cells.push_back(
          accuracy_cell(variant, slot, answer_in(task.questions[q]), chances[q], report));
      if (!compared) continue;
      const Comparison* own = with_reference(compared->comparisons.at(q), variant.name, reference);
      row.cells.push_back(own ? difference_cell(*own, report) : Cell{});
      row.cells.push_back(own ? verdict_cell(*own) : Cell{});
    }
    table.rows.push_back(row);
  }
  table.caption = chance_caption(task, chances);
  if (compared)
    table.caption += "Verdicts are corrected over all comparisons of this table together. ";
  report.tables.push_back(table);
}

/// Whatever else the questions measured: a row per variant and question.
void add_other_table(const StudyData& data, const TaskQuestions& task,
                     const std::vector<Slot>& slots, Report& report) {
  if (slots.empty()) return;
  Table table{"Further metrics of " + task.task + " by " + task.axis, {}, {}};
  for (const Slot& slot : slots) table.columns.push_back({slot.heading, slot.help});
  for (const VariantData& variant : data.variants)
    for (const AskedQuestion& question : task.questions) {
      if (answering(variant, question).empty()) continue;
      Row row{variant.name + ", " + question.label, {}};
      for (const Slot& slot : slots)
        row.cells.push_back(slot_cell(variant, slot, answer_in(question), report));
      table.rows.push_back(row);
    }
  report.tables.push_back(table);
}

}  // namespace

void add_question_tables(const StudyData& data, const std::vector<AccuracyComparisons>& accuracies,
                         Report& report) {
  const auto records = shown_records(data);
  for (const TaskQuestions& task : questions_of(data)) {
    if (!task.spanned) continue;
    std::vector<Slot> others;
    for (const Slot& slot : slots_of(task, records)) {
      if (has_table_by_condition(slot.name) || metric::is_shown_apart(slot.name)) continue;
      if (slot.name == metric::kLossNats && slot.apart.empty())
        add_loss_table(data, task, report);
      else if (metric::is_accuracy(slot.name))
        add_accuracy_table(data, task, slot,
                           slot.apart.empty() ? find_task(accuracies, task.task) : nullptr, report);
      else if (!metric::is_of_family(slot.name, metric::kRoleKept))
        others.push_back(slot);
    }
    add_other_table(data, task, others, report);
  }
}

}  // namespace sublab
