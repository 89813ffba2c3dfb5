// Who is kept: state of the modules, keep rates by class, agreement of variants.
#include "analysis/tables/selection_tables.h"

#include <algorithm>
#include <stdexcept>

#include "analysis/study/questions.h"
#include "analysis/text/format.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "core/schema/token_classes.h"

namespace sublab {
namespace {

/// The variant's trial that tables of arrays speak of: of the first seed, if it ended well.
const Record* first_of(const VariantData& variant) {
  const auto good = variant.good();
  return good.empty() ? nullptr : good.front();
}

Cell number_cell(double value, int digits, const Record& record) {
  Cell cell;
  cell.value = value;
  cell.text = fixed(value, digits);
  cell.records = {record.id};
  return cell;
}

/// The modules that a record has a state of, with their level.
std::vector<std::pair<int64_t, std::string>> modules_of(const Record& record) {
  std::vector<std::pair<int64_t, std::string>> out;
  for (const Metric& metric : record.metrics)
    if (metric::is_of_family(metric.name, metric::kScoreAboveThreshold))
      out.emplace_back(metric.conditions.value(condition::kModule, int64_t{0}),
                       metric::level_of(metric.name, metric::kScoreAboveThreshold));
  std::sort(out.begin(), out.end());
  return out;
}

Cell module_cell(const Record& record, const std::string& name, int64_t module) {
  const Metric* metric = record.find(name, {{condition::kModule, module}});
  return metric && metric->value ? number_cell(*metric->value, 3, record) : Cell{};
}

void add_state_table(const StudyData& data, Report& report) {
  const std::vector<std::string> families = {metric::kScoreAboveThreshold,
                                             metric::kKeptDrift,
                                             metric::kScoreInside,
                                             metric::kDiscardedWeight,
                                             metric::kKeptNotAboveThreshold,
                                             metric::kScoreEntropy,
                                             metric::kBypassMin,
                                             metric::kBypassMean,
                                             metric::kBypassMax};
  Table table{"Selection at the end of training (first seed)", {}, {}};
  for (const std::string& family : families)
    table.columns.push_back({metric_info(family).heading, metric_info(family).help});
  for (const VariantData& variant : data.variants) {
    const Record* record = first_of(variant);
    if (!record || keeps_everything(*record)) continue;
    for (const auto& [module, level] : modules_of(*record)) {
      Row row{variant.name + ", module " + std::to_string(module) + " (level " + level + ")", {}};
      for (const std::string& family : families)
        row.cells.push_back(module_cell(*record, family + "_" + level, module));
      table.rows.push_back(row);
    }
  }
  if (!table.rows.empty()) report.tables.push_back(table);
}

void add_class_row(const StudyData& data, const VariantData& variant, const Asked& asked,
                   Table& table) {
  const Record* record = first_of(variant);
  const std::string evaluation = record ? asked.of(*record) : "";
  if (evaluation.empty()) return;
  const auto counts = read_array(data.folder, *record, array::kKeptByClass, evaluation);
  if (!counts) return;
  const auto values = counts->as_doubles();
  if (values.size() < 2 * kTokenClasses.size())
    throw UserError(
        "arrays/" + record->id + ".npz: " + member_name(array::kKeptByClass, evaluation),
        "has not two counts per class of token");
  Row row{asked.title(variant.name), {}};
  for (size_t c = 0; c < kTokenClasses.size(); ++c)
    row.cells.push_back(values[2 * c + 1] > 0
                            ? number_cell(values[2 * c] / values[2 * c + 1], 3, *record)
                            : Cell{});
  table.rows.push_back(row);
}

void add_class_table(const StudyData& data, Report& report) {
  Table table{"Share of tokens that enter level 1, by class of token (first seed)", {}, {}};
  for (const std::string& name : kTokenClasses)
    table.columns.push_back({name, "kept / seen on held-out text"});
  for (const Asked& asked : asked_of(data))
    for (const VariantData& variant : data.variants) add_class_row(data, variant, asked, table);
  if (!table.rows.empty()) report.tables.push_back(table);
}

void add_overlap_table(const StudyData& data, const Asked& asked, Report& report) {
  std::vector<std::pair<const VariantData*, std::vector<double>>> chosen;
  for (const VariantData& variant : data.variants) {
    const Record* record = first_of(variant);
    const std::string evaluation = record ? asked.of(*record) : "";
    if (evaluation.empty() || keeps_everything(*record)) continue;
    if (const auto depths = read_array(data.folder, *record, array::kDepths, evaluation))
      chosen.emplace_back(&variant, depths->as_doubles());
  }
  const auto n = chosen.size();
  if (n < 2) return;
  Table table{
      "Overlap of the tokens that enter level 1 (" + asked.title("first seed") + ")", {}, {}};
  for (const auto& [variant, depths] : chosen)
    table.columns.push_back(
        {variant->name, "kept by both / kept by either (and by chance at these rates)"});
  for (size_t a = 0; a < n; ++a) {
    Row row{chosen[a].first->name, {}};
    for (size_t b = 0; b < n; ++b) {
      Cell cell;
      if (b < a && chosen[a].second.size() == chosen[b].second.size()) {
        const Overlap overlap = overlap_of(chosen[a].second, chosen[b].second, 1);
        cell = number_cell(overlap.jaccard, 2, *chosen[a].first->good().front());
        cell.text += " (" + fixed(overlap.expected, 2) + ")";
      }
      row.cells.push_back(cell);
    }
    table.rows.push_back(row);
  }
  report.tables.push_back(table);
}

}  // namespace

Overlap overlap_of(const std::vector<double>& a, const std::vector<double>& b, int64_t level) {
  if (a.size() != b.size()) throw std::invalid_argument("overlap_of: texts differ in length");
  double both = 0, in_a = 0, in_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    in_a += a[i] >= static_cast<double>(level);
    in_b += b[i] >= static_cast<double>(level);
    both += a[i] >= static_cast<double>(level) && b[i] >= static_cast<double>(level);
  }
  const double n = static_cast<double>(a.size()), either = in_a + in_b - both;
  const double by_chance = n > 0 ? in_a * in_b / n : 0;
  return {either > 0 ? both / either : 1,
          in_a + in_b > 0 ? by_chance / (in_a + in_b - by_chance) : 1};
}

void add_selection_tables(const StudyData& data, Report& report) {
  add_state_table(data, report);
  add_class_table(data, report);
  for (const Asked& asked : asked_of(data)) add_overlap_table(data, asked, report);
}

}  // namespace sublab
