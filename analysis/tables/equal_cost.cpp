// Comparison at equal cost: each entry of a study's `match`.
#include <algorithm>
#include <cmath>

#include "analysis/study/busy_machine.h"
#include "analysis/study/inherited_cost.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/json_text.h"

namespace sublab {
namespace {

/// A cost that variants can be compared at.
struct Cost {
  const char *by, *name;
  Reading of;
  std::string (*show)(double value);
};

Reading of_metric(const char* name) {
  return [name](const Record& record) { return metric_of(record, name); };
}

std::optional<double> train_memory_bytes(const Record& record) {
  const Metric* peak = train_memory(record);
  return peak ? peak->value : std::nullopt;
}

const std::vector<Cost> kCosts = {
    {"train_tokens", "training tokens", of_metric(metric::kTrainTokens), si_text},
    {"train_flops", "training FLOPs", training_flops, si_text},
    {"train_seconds", "training seconds", training_seconds,
     [](double v) { return significant(v, 3) + " s"; }},
    {"peak_memory", "peak training memory", train_memory_bytes,
     [](double v) { return fixed(v / 1e6, 0) + " MB"; }},
    {"parameters", "parameters", of_metric(metric::kParams), si_text}};

struct Match {
  EqualCost entry;
  std::vector<const VariantData*> variants;
};

Match match_of(const json& given, const StudyData& data) {
  Match match;
  read_fields(given, "match", match.entry);
  const auto& names = match.entry.variants;
  for (const VariantData& variant : data.variants)
    if (names.empty() || std::find(names.begin(), names.end(), variant.name) != names.end())
      match.variants.push_back(&variant);
  return match;
}

/// What the program picked for the variants of the entry.
std::string picked(const Match& match, const StudyData& data) {
  const EqualCost& entry = match.entry;
  std::vector<std::string> texts;
  for (const SolvedValue& solved : data.plan.solved)
    if (solved.by == entry.by && solved.key == entry.solve &&
        std::find(entry.variants.begin(), entry.variants.end(), solved.variant) !=
            entry.variants.end())
      texts.push_back(solved.variant + " " + unquoted(solved.value) + " (" +
                      fixed(solved.ratio, 4) + ")");
  return texts.empty() ? ""
                       : "Picked so that it is equal, " + entry.solve + ": " + join(texts) + ". ";
}

/// Costs other than the one held equal that differ by more than a thousandth.
std::string not_matched(const Match& match) {
  std::vector<std::string> open;
  for (const Cost& cost : kCosts) {
    if (cost.by == match.entry.by) continue;
    double low = INFINITY, high = 0;
    for (const VariantData* variant : match.variants)
      if (const auto value = mean_reading(variant->good(), cost.of))
        low = std::min(low, *value), high = std::max(high, *value);
    if (high > low * 1.001)
      open.push_back(std::string(cost.name) + " (up to " + fixed(high / low, 2) + "x)");
  }
  return open.empty() ? "Nothing else differed. " : "Not matched: " + join(open) + ". ";
}

/// `cost` with what the weights took that trials start from.
Cost with_parents(Cost cost, const StudyData& data) {
  const bool tokens = cost.by == std::string("train_tokens");
  cost.of = [own = cost.of, tokens, &data](const Record& record) -> std::optional<double> {
    const InheritedCost theirs = inherited_cost(data, record);
    const auto value = own(record), parents = tokens ? theirs.tokens : theirs.flops;
    return value && parents ? std::optional(*value + *parents) : std::nullopt;
  };
  return cost;
}

/// Variants that start from others, where the training of these is in no cost; or says that it is.
std::string parents_text(const Match& match) {
  if (match.entry.count_parents)
    return "The training of the weights that a variant starts from is counted. ";
  std::vector<std::string> names;
  for (const VariantData* variant : match.variants)
    for (const Record* record : variant->good()) {
      const std::string from = record->config.at("train").value("from", "");
      if (from.empty()) continue;
      names.push_back(variant->name + " from " + shown_path(from));
      break;
    }
  return names.empty()
             ? ""
             : "The training of what they start from is not counted: " + join(names) + ". ";
}

Cell cost_cell(const VariantData& variant, const Cost& cost) {
  Cell cell;
  const auto records = variant.good();
  cell.value = mean_reading(records, cost.of);
  if (cell.value) cell.text = cost.show(*cell.value);
  for (const Record* record : records) cell.records.push_back(record->id);
  return cell;
}

/// Relative to the reference; a footnote where the cost was not equal after all.
Cell relative_cell(const Cell& own, const std::optional<double>& reference, double tolerance,
                   Report& report) {
  Cell cell;
  if (!own.value || !reference) return cell;
  cell.value = *own.value / *reference;
  cell.text = fixed(*cell.value, 3);
  cell.records = own.records;
  if (std::abs(*cell.value - 1) > tolerance)
    cell.notes.push_back(footnote(report, "not at equal cost: outside the tolerance of " +
                                              significant(100 * tolerance, 3) +
                                              " %, so no verdict is given"));
  return cell;
}

void add_table(const Match& match, const Cost& cost, const StudyData& data,
               const std::vector<Comparison>& comparisons, Report& report) {
  const VariantData& reference = data.variant(reference_of(match.entry, data.plan.compare_to));
  const bool usual = reference.name == data.plan.compare_to;
  Table table{std::string("At equal ") + cost.name + (usual ? "" : ", against " + reference.name) +
                  (match.entry.solve.empty() ? "" : ", by " + match.entry.solve),
              {{cost.name, "mean over seeds"},
               {"of " + reference.name, "relative"},
               {"loss", "nats per token"},
               {"minus " + reference.name, kDifferenceHelp},
               {"verdict", kVerdictHelp}},
              {},
              {},
              picked(match, data) + not_matched(match) + parents_text(match)};
  const Cell base = cost_cell(reference, cost);
  for (const VariantData* variant : match.variants) {
    Row row{variant->name, {cost_cell(*variant, cost)}};
    row.cells.push_back(relative_cell(row.cells[0], base.value, match.entry.tolerance, report));
    const bool equal = row.cells[1].value && row.cells[1].notes.empty();
    if (cost.by == std::string("train_seconds") && timed_on_busy_machine(*variant))
      row.cells[0].notes.push_back(footnote(report, busy_note(data)));
    row.cells.push_back(metric_cell(*variant, metric::kLossNats, report));
    row.cells.resize(5);
    for (const Comparison& each : comparisons)
      if (each.a == variant->name && each.b == reference.name) {
        row.cells[3] = difference_cell(each, report);
        row.cells[3].strong = row.cells[3].strong && equal;
        if (equal) row.cells[4] = verdict_cell(each);
      }
    table.rows.push_back(row);
  }
  report.tables.push_back(table);
}

}  // namespace

void add_equal_cost_tables(const StudyData& data, const std::vector<Comparison>& comparisons,
                           Report& report) {
  for (const json& given : data.plan.match) {
    const Match match = match_of(given, data);
    for (const Cost& cost : kCosts)
      if (cost.by == match.entry.by && match.variants.size() > 1)
        add_table(match, match.entry.count_parents ? with_parents(cost, data) : cost, data,
                  comparisons, report);
  }
}

}  // namespace sublab
