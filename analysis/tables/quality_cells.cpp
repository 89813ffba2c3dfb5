// Cells of losses, accuracies and whatever else a task measures.
#include "analysis/tables/quality_cells.h"

#include <algorithm>

#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Why an estimate stands alone.
void add_no_interval_note(const Estimate& estimate, const std::string& what, Cell& cell,
                          Report& report) {
  if (!estimate.interval && !estimate.no_interval.empty())
    cell.notes.push_back(footnote(report, what + ": " + estimate.no_interval));
}

/// The task's counts of one record; questions of one row depend on each other, so rows are what is
/// counted where the task says how many there were.
AnswerCounts counts_of(const Metric& metric) {
  const json& about = metric.conditions;
  const double n = about.value(condition::kRows, about.value("n", 1.0));
  const double empty = about.value("empty", 0.0), failed = about.value("failed", 0.0);
  const double right = *metric.value * n;
  return {.right = right, .wrong = n - right - empty - failed, .empty = empty, .failed = failed};
}

/// A mechanism that never acted changed nothing: what its variant scored is that of a model without
/// it.
void add_inactive_note(const std::vector<const Record*>& records, const Pick& pick, Cell& cell,
                       Report& report) {
  std::string mechanism;
  double chances = 0;
  for (const Record* record : records) {
    const Metric* metric = pick(*record);
    if (!metric->value || *metric->value > 0) return;
    mechanism = metric->conditions.value("mechanism", "a mechanism");
    chances += metric->conditions.value("of", 0.0);
  }
  if (records.empty()) return;
  cell.notes.push_back(footnote(
      report, "inactive: " + mechanism + ", in none of " + fixed(chances, 0) + " chances"));
}

}  // namespace

Cell loss_cell(const VariantData& variant, const AskedQuestion* question, Report& report) {
  const Pick pick = [&](const Record& record) {
    return question ? answer_of(record, *question, metric::kLossNats)
                    : record.find_headline(metric::kLossNats);
  };
  Cell cell = metric_cell(question ? answering(variant, *question) : variant.good(),
                          metric::kLossNats, pick, report);
  if (!cell.value) return cell;
  const Estimate estimate = variant_loss(variant, question);
  if (estimate.clusters == 0) {
    cell.notes.push_back(
        footnote(report, "no interval: losses per document are missing (arrays/)"));
    return cell;
  }
  if (estimate.interval) {
    cell.low = estimate.interval->low;
    cell.high = estimate.interval->high;
    cell.text = fixed(*cell.value, 4) + " " + interval_text(*estimate.interval, 3);
  }
  add_no_interval_note(estimate, "no interval", cell, report);
  return cell;
}

std::string Chance::text() const {
  return fixed(any, 4) + (in_row ? " (" + fixed(*in_row, 4) + " among a row's own)" : "");
}

Cell accuracy_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
                   Chance& chance, Report& report) {
  Cell cell;
  std::vector<AnswerCounts> per_seed;
  const auto take = [&](const Record& record, bool must_have) {
    const Metric* metric = slot.of(record, of(record));
    if (!metric && !must_have) return;
    cell.records.push_back(record.id);
    if (metric && metric->value) {
      per_seed.push_back(counts_of(*metric));
      chance.any = metric->conditions.value(condition::kChance, 0.0);
      if (const auto in_row = metric->conditions.find(condition::kInRowChance);
          in_row != metric->conditions.end())
        chance.in_row = in_row->get<double>();
      return;
    }
    cell.notes.push_back(footnote(
        report, variant.name + ", " + slot.name + ", seed " + std::to_string(record.seed) + ": " +
                    (metric ? metric->note : record.outcome + " " + record.detail)));
  };
  for (const Record& record : variant.records) take(record, false);
  for (const auto& [probe, records] : variant.probes)
    if (probe != kTuneProbe)
      for (const Record& record : records) take(record, slot.name == metric::accuracy_of(probe));
  if (per_seed.empty()) return cell;
  const Estimate estimate = accuracy(per_seed);
  Cell out = estimate_cell(estimate, 3, cell.records);
  out.notes = cell.notes;
  add_no_interval_note(estimate, "no interval", out, report);
  return out;
}

Cell slot_cell(const VariantData& variant, const Slot& slot, const EvaluationOf& of,
               Report& report) {
  const Pick pick = [&](const Record& record) { return slot.of(record, of(record)); };
  std::vector<const Record*> having;
  const auto collect = [&](const std::vector<Record>& records) {
    for (const Record* record : good_of(records))
      if (pick(*record)) having.push_back(record);
  };
  collect(variant.records);
  for (const auto& [probe, records] : variant.probes)
    if (having.empty() && probe != kTuneProbe) collect(records);
  Cell cell = metric_cell(having, slot.name, pick, report);
  if (slot.name == metric::kActiveFraction) add_inactive_note(having, pick, cell, report);
  return cell;
}

const Comparison* with_reference(const std::vector<Comparison>& comparisons,
                                 const std::string& variant, const std::string& reference) {
  for (const Comparison& comparison : comparisons)
    if (comparison.a == variant && comparison.b == reference) return &comparison;
  return nullptr;
}

Cell difference_cell(const Comparison& comparison, Report& report) {
  if (!comparison.possible) {
    Cell cell;
    cell.notes.push_back(
        footnote(report, comparison.a + " against " + comparison.b + ": " + comparison.reason));
    return cell;
  }
  const int digits = comparison.unit == DifferenceUnit::accuracy ? 3 : 4;
  Cell cell = estimate_cell(comparison.difference, digits, comparison.records);
  cell.text = signed_fixed(*cell.value, digits);
  if (const auto& interval = comparison.difference.interval)
    cell.text += " " + interval_text(*interval, digits);
  if (comparison.unit == DifferenceUnit::bits_per_byte)
    cell.notes.push_back(footnote(
        report, comparison.a + " against " + comparison.b + ": in bits per byte, over the " +
                    std::to_string(comparison.n_documents) +
                    " documents that both scored to the same byte, as the tokenizers differ"));
  for (const std::string& left_out : comparison.left_out)
    cell.notes.push_back(
        footnote(report, comparison.a + " against " + comparison.b + ": without " + left_out));
  add_no_interval_note(comparison.difference, "no interval, p-value or verdict", cell, report);
  cell.strong = comparison.clear();
  return cell;
}

Cell verdict_cell(const Comparison& comparison) {
  Cell cell;
  if (!comparison.possible) return cell;
  cell.text = comparison.verdict_text();
  cell.strong = comparison.clear();
  cell.records = comparison.records;
  return cell;
}

}  // namespace sublab
