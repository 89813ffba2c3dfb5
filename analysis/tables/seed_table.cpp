// Losses and accuracies seed by seed: what a mean over few seeds hides.
#include "analysis/tables/cells.h"
#include "analysis/tables/quality_cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// What a table by seed is of.
struct OfSeeds {
  std::string title, value_help, difference_help;
  int digits = 4;
  Pick value;
  std::function<std::vector<const Record*>(const VariantData&)> records;
  const std::vector<Comparison>* comparisons;
};

Cell value_of_seed(const VariantData& variant, int64_t seed, const OfSeeds& of) {
  Cell cell;
  for (const Record* record : of.records(variant)) {
    const Metric* metric = record->seed == seed ? of.value(*record) : nullptr;
    if (!metric || !metric->value) continue;
    cell.value = metric->value;
    cell.text = fixed(*cell.value, of.digits);
    cell.records = {record->id};
  }
  return cell;
}

Cell difference_of_seed(const Comparison* comparison, int64_t seed, int digits) {
  Cell cell;
  if (!comparison || comparison->unit == DifferenceUnit::bits_per_byte) return cell;
  for (size_t s = 0; s < comparison->by_seed.size(); ++s)
    if (comparison->by_seed[s].first == seed) {
      cell.value = comparison->by_seed[s].second;
      cell.text = signed_fixed(*cell.value, digits);
      cell.records = comparison->records;
    }
  return cell;
}

void add_table(const StudyData& data, const OfSeeds& of, Report& report) {
  const std::string& reference = data.plan.compare_to;
  Table table{of.title, {}, {}};
  for (const int64_t seed : data.plan.seeds)
    table.columns.push_back({"seed " + std::to_string(seed), of.value_help});
  for (const int64_t seed : data.plan.seeds)
    table.columns.push_back(
        {"minus " + reference + ", seed " + std::to_string(seed), of.difference_help});
  bool any = false;
  for (const VariantData& variant : data.variants) {
    const Comparison* comparison = with_reference(*of.comparisons, variant.name, reference);
    Row row{variant.name, {}};
    for (const int64_t seed : data.plan.seeds) {
      row.cells.push_back(value_of_seed(variant, seed, of));
      any = any || row.cells.back().value;
    }
    for (const int64_t seed : data.plan.seeds)
      row.cells.push_back(difference_of_seed(comparison, seed, of.digits));
    table.rows.push_back(row);
  }
  if (any) report.tables.push_back(table);
}

}  // namespace

void add_seed_tables(const StudyData& data, const std::vector<Comparison>& comparisons,
                     const std::vector<AccuracyComparisons>& accuracies, Report& report) {
  if (data.plan.seeds.size() < 2) return;
  add_table(data,
            {.title = "Loss by seed",
             .value_help = "nats per token",
             .difference_help = "on the same documents",
             .digits = 4,
             .value = [](const Record& record) { return record.find_headline(metric::kLossNats); },
             .records = [](const VariantData& variant) { return variant.good(); },
             .comparisons = &comparisons},
            report);
  for (const AccuracyComparisons& task : accuracies)
    for (size_t q = 0; q < task.asked.size(); ++q) {
      const Asked& asked = task.asked[q];
      const std::string name = metric::accuracy_of(asked.task);
      add_table(
          data,
          {.title = asked.title("Accuracy in " + asked.task + " by seed"),
           .value_help = "share of right answers",
           .difference_help = "on the same rows",
           .digits = 3,
           .value = [&](const Record& record) { return record.find_in(asked.of(record), name); },
           .records = [&](const VariantData& variant) { return answering(variant, asked.of); },
           .comparisons = &task.comparisons[q]},
          report);
    }
}

}  // namespace sublab
