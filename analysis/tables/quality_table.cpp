#include <set>

#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

std::vector<std::string> names_starting(const StudyData& data, const std::string& start) {
  std::set<std::string> names;
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good())
      for (const Metric& metric : record->metrics)
        if (metric.name.starts_with(start)) names.insert(metric.name);
  return {names.begin(), names.end()};
}

/// The metrics <task>_accuracy of trials and probes.
std::vector<std::string> accuracy_names(const StudyData& data) {
  std::set<std::string> names;
  const auto add = [&](const Record& record) {
    for (const Metric& metric : record.metrics)
      if (metric.name.ends_with("_accuracy")) names.insert(metric.name);
  };
  for (const VariantData& variant : data.variants) {
    for (const Record& record : variant.records) add(record);
    for (const auto& [probe, records] : variant.probes)
      for (const Record& record : records) add(record);
  }
  return {names.begin(), names.end()};
}

/// Why an estimate stands alone.
void add_no_interval_note(const Estimate& estimate, const std::string& what, Cell& cell,
                          Report& report) {
  if (!estimate.interval && !estimate.no_interval.empty())
    cell.notes.push_back(footnote(report, what + ": " + estimate.no_interval));
}

Cell loss_cell(const VariantData& variant, Report& report) {
  Cell cell = metric_cell(
      variant, "valid_loss_nats", [](double v) { return fixed(v, 4); }, report);
  if (!cell.value) return cell;
  if (variant.losses.empty()) {
    cell.notes.push_back(
        footnote(report, "no interval: losses per document are missing (arrays/)"));
    return cell;
  }
  const Estimate estimate = variant_loss(variant);
  if (estimate.interval) {
    cell.low = estimate.interval->low;
    cell.high = estimate.interval->high;
    cell.text = fixed(*cell.value, 4) + " " + interval_text(*estimate.interval, 3);
  }
  add_no_interval_note(estimate, "no interval", cell, report);
  return cell;
}

const Comparison* with_reference(const std::vector<Comparison>& comparisons,
                                 const std::string& variant, const std::string& reference) {
  for (const Comparison& comparison : comparisons)
    if (comparison.a == variant && comparison.b == reference) return &comparison;
  return nullptr;
}

/// The task's counts of one record; questions of one row depend on each other, so rows are what is
/// counted where the task says how many there were.
AnswerCounts counts_of(const Metric& metric) {
  const json& about = metric.conditions;
  const double n = about.value("n_rows", about.value("n", 1.0));
  const double empty = about.value("empty", 0.0), failed = about.value("failed", 0.0);
  const double right = *metric.value * n;
  return {right, n - right - empty - failed, empty, failed};
}

Cell accuracy_cell(const VariantData& variant, const std::string& name, double& chance,
                   Report& report) {
  Cell cell;
  std::vector<AnswerCounts> per_seed;
  const auto take = [&](const Record& record, bool must_have) {
    const Metric* metric = record.find(name);
    if (!metric && !must_have) return;
    cell.records.push_back(record.id);
    if (metric && metric->value) {
      per_seed.push_back(counts_of(*metric));
      chance = metric->conditions.value("chance", 0.0);
      return;
    }
    cell.notes.push_back(footnote(
        report, variant.name + ", " + name + ", seed " + std::to_string(record.seed) + ": " +
                    (metric ? metric->note : record.outcome + " " + record.detail)));
  };
  for (const Record& record : variant.records) take(record, false);
  for (const auto& [probe, records] : variant.probes)
    for (const Record& record : records) take(record, name == probe + "_accuracy");
  if (per_seed.empty()) return cell;
  const Estimate estimate = accuracy(per_seed);
  Cell out = estimate_cell(estimate, 3, cell.records);
  out.notes = cell.notes;
  add_no_interval_note(estimate, "no interval", out, report);
  return out;
}

Cell causality_cell(const VariantData& variant) {
  Cell cell;
  for (const Record* record : variant.good()) {
    const std::string verdict = record->audit.value("verdict", "not audited");
    cell.text = cell.records.empty() || cell.text == verdict ? verdict : "differs by seed";
    cell.records.push_back(record->id);
  }
  return cell;
}

}  // namespace

Cell difference_cell(const Comparison& comparison, Report& report) {
  if (!comparison.possible) {
    Cell cell;
    cell.notes.push_back(
        footnote(report, comparison.a + " against " + comparison.b + ": " + comparison.reason));
    return cell;
  }
  Cell cell = estimate_cell(comparison.difference, 4, comparison.records);
  cell.text = signed_fixed(*cell.value, 4);
  if (const auto& interval = comparison.difference.interval)
    cell.text += " " + interval_text(*interval, 4);
  if (comparison.unit == LossUnit::bits_per_byte)
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

void add_quality_table(const StudyData& data, const std::vector<Comparison>& comparisons,
                       Report& report) {
  const std::string& reference = data.plan.compare_to;
  const auto levels = names_starting(data, "kept_fraction_"), tasks = accuracy_names(data);
  Table table{"Quality",
              {{"loss", "nats per token, evaluate mode, with 95 % interval"},
               {"minus " + reference, kDifferenceHelp},
               {"verdict", kVerdictHelp},
               {"bits/byte", "loss per byte of text"},
               {"perplexity", "exp(loss)"},
               {"gap",
                "loss with train-mode selection, which sees later tokens, minus that with "
                "evaluate-mode selection"}},
              {}};
  for (const std::string& level : levels)
    table.columns.push_back({"kept L" + level.substr(14),
                             "share of the parent level's tokens that the trained "
                             "threshold lets into level " +
                                 level.substr(14) + ", on the same text"});
  for (const std::string& task : tasks)
    table.columns.push_back({task.substr(0, task.size() - 9),
                             "accuracy with 95 % interval; empty and failed answers are wrong"});
  table.columns.push_back({"causality", "audit of the trained weights in fp64"});
  std::vector<double> chances(tasks.size(), 0);
  for (const VariantData& variant : data.variants) {
    Row row{variant.name, {loss_cell(variant, report)}};
    const Comparison* comparison = with_reference(comparisons, variant.name, reference);
    row.cells.push_back(comparison ? difference_cell(*comparison, report) : Cell{});
    row.cells.push_back(comparison ? verdict_cell(*comparison) : Cell{});
    const auto metric = [&](const std::string& name, const auto& show) {
      row.cells.push_back(metric_cell(variant, name, show, report));
    };
    metric("valid_bits_per_byte", [](double v) { return fixed(v, 4); });
    for (const Record* record : variant.good())
      if (const Metric* bits = record->find("valid_bits_per_byte");
          bits && bits->value && !bits->note.empty()) {
        row.cells.back().notes.push_back(footnote(report, "bits/byte " + bits->note));
        break;
      }
    metric("valid_perplexity", [](double v) { return fixed(v, 1); });
    metric("selection_gap_nats", [](double v) { return signed_fixed(v, 4); });
    for (const std::string& level : levels) metric(level, [](double v) { return fixed(v, 3); });
    for (size_t t = 0; t < tasks.size(); ++t)
      row.cells.push_back(accuracy_cell(variant, tasks[t], chances[t], report));
    row.cells.push_back(causality_cell(variant));
    table.rows.push_back(row);
  }
  for (size_t t = 0; t < tasks.size(); ++t)
    table.caption += "Chance at " + tasks[t].substr(0, tasks[t].size() - 9) + " is " +
                     fixed(chances[t], 4) + ". ";
  report.tables.push_back(table);
}

}  // namespace sublab
