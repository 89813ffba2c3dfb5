#include "analysis/tables/selection_tables.h"

#include <algorithm>
#include <stdexcept>

#include "analysis/text/format.h"
#include "core/npy.h"
#include "core/schema/token_classes.h"

namespace sublab {
namespace {

/// An array of the first seed's trial, or nothing.
std::optional<NpyArray> array_of(const StudyData& data, const VariantData& variant,
                                 const std::string& name) {
  const auto good = variant.good();
  if (good.empty()) return std::nullopt;
  const fs::path path = data.folder / "arrays" / good.front()->id / name;
  return fs::exists(path) ? std::optional(read_npy(path)) : std::nullopt;
}

Cell number_cell(double value, int digits, const Record& record) {
  Cell cell;
  cell.value = value;
  cell.text = fixed(value, digits);
  cell.records = {record.id};
  return cell;
}

/// The modules that a record has metrics `name`_<level> of, with their level.
std::vector<std::pair<int64_t, std::string>> modules_of(const Record& record) {
  std::vector<std::pair<int64_t, std::string>> out;
  const std::string name = "score_above_threshold_";
  for (const Metric& metric : record.metrics)
    if (metric.name.starts_with(name))
      out.emplace_back(metric.conditions.value("module", int64_t{0}),
                       metric.name.substr(name.size()));
  std::sort(out.begin(), out.end());
  return out;
}

Cell module_cell(const Record& record, const std::string& name, int64_t module) {
  for (const Metric& metric : record.metrics)
    if (metric.name == name && metric.value && metric.conditions.value("module", -1) == module)
      return number_cell(*metric.value, 3, record);
  return {};
}

void add_state_table(const StudyData& data, Report& report) {
  Table table{"Selection at the end of training (first seed)",
              {{"P(kept)", "share of scores above the threshold: what evaluation would keep"},
               {"drift", "kept share in training minus P(kept)"},
               {"in (0, 1)", "share of scores inside (0, 1), which alone have a gradient"},
               {"discarded", "mean weight of the tokens left out"},
               {"kept, not above", "share of the kept tokens whose score is not above 0"},
               {"entropy", "of the weights in 16 bins, relative to its largest value"},
               {"bypass min", "smallest element of the bypass scale"},
               {"mean", "of the bypass scale"},
               {"max", "of the bypass scale"}},
              {}};
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty() || keeps_everything(*good.front())) continue;
    for (const auto& [module, level] : modules_of(*good.front())) {
      Row row{variant.name + ", module " + std::to_string(module) + " (level " + level + ")", {}};
      for (const char* name : {"score_above_threshold_", "kept_drift_", "score_inside_",
                               "discarded_weight_", "kept_not_above_threshold_", "score_entropy_",
                               "bypass_min_", "bypass_mean_", "bypass_max_"})
        row.cells.push_back(module_cell(*good.front(), name + level, module));
      table.rows.push_back(row);
    }
  }
  if (!table.rows.empty()) report.tables.push_back(table);
}

void add_class_table(const StudyData& data, Report& report) {
  Table table{"Share of tokens that enter level 1, by class of token (first seed)", {}, {}};
  for (const std::string& name : kTokenClasses)
    table.columns.push_back({name, "kept / seen on held-out text"});
  for (const VariantData& variant : data.variants) {
    const auto counts = array_of(data, variant, "perplexity.kept_by_class.npy");
    if (!counts) continue;
    const auto values = counts->as_doubles();
    if (values.size() < 2 * kTokenClasses.size())
      throw UserError("arrays/" + variant.good().front()->id + "/perplexity.kept_by_class.npy",
                      "has not two counts per class of token");
    Row row{variant.name, {}};
    for (size_t c = 0; c < kTokenClasses.size(); ++c)
      row.cells.push_back(values[2 * c + 1] > 0 ? number_cell(values[2 * c] / values[2 * c + 1], 3,
                                                              *variant.good().front())
                                                : Cell{});
    table.rows.push_back(row);
  }
  if (!table.rows.empty()) report.tables.push_back(table);
}

void add_overlap_table(const StudyData& data, Report& report) {
  std::vector<std::pair<const VariantData*, std::vector<double>>> chosen;
  for (const VariantData& variant : data.variants)
    if (const auto depths = array_of(data, variant, "perplexity.depths.npy");
        depths && !keeps_everything(*variant.good().front()))
      chosen.emplace_back(&variant, depths->as_doubles());
  const auto n = chosen.size();
  if (n < 2) return;
  Table table{"Overlap of the tokens that enter level 1 (first seed)", {}, {}};
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
  add_overlap_table(data, report);
}

}  // namespace sublab
