// What each variant costs to train.
#include <algorithm>

#include "analysis/study/busy_machine.h"
#include "analysis/study/inherited_cost.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

Cell failure_cell(const VariantData& variant, size_t planned, Report& report) {
  Cell cell;
  const auto good = variant.good().size();
  cell.text = std::to_string(good) + "/" + std::to_string(planned);
  cell.value = static_cast<double>(good);
  for (const Record& record : variant.records) {
    cell.records.push_back(record.id);
    if (record.outcome != "ok")
      cell.notes.push_back(footnote(
          report, variant.name + ", seed " + std::to_string(record.seed) + ": " + record.outcome +
                      (record.detail.empty() ? "" : " (" + record.detail + ")")));
  }
  return cell;
}

/// `note` says that a machine was busy, for a variant that was timed on one.
Cell seconds_cell(const VariantData& variant, const std::string& note, Report& report) {
  Cell cell;
  for (const Record* record : variant.good()) cell.records.push_back(record->id);
  cell.value = mean_reading(variant.good(), training_seconds);
  if (!cell.value) return cell;
  cell.text = significant(*cell.value, 3) + " s";
  if (timed_on_busy_machine(variant)) cell.notes.push_back(footnote(report, note));
  return cell;
}

Cell rate_cell(const VariantData& variant) {
  Cell cell;
  if (variant.records.empty()) return cell;
  cell.value = variant.records.front().config.at("train").at("learning_rate").get<double>();
  cell.text = significant(*cell.value, 3);
  for (const Record& record : variant.records) cell.records.push_back(record.id);
  return cell;
}

/// A cost with that of the weights that trials start from; of seeds that differ, the mean.
Cell with_parents_cell(const VariantData& variant, const Reading& read) {
  Cell cell;
  const auto good = variant.good();
  for (const Record* record : good) cell.records.push_back(record->id);
  if (readings(good, read).size() != good.size()) return cell;  // of some it is not known
  cell.value = mean_reading(good, read);
  if (cell.value) cell.text = si_text(*cell.value);
  return cell;
}

/// What training took in all, where some variant goes on from other weights.
void add_whole_training(const StudyData& data, Table& table) {
  const bool any =
      std::any_of(data.variants.begin(), data.variants.end(), [](const VariantData& variant) {
        const auto good = variant.good();
        return !good.empty() && starts_from_weights(*good.front());
      });
  if (!any) return;
  table.columns.push_back({"train FLOPs", "of the variant's own training, causal"});
  table.columns.push_back(
      {"tokens with parents'", "and those that the weights were trained on that it starts from"});
  table.columns.push_back({"FLOPs with parents'", "and those of their training"});
  for (size_t v = 0; v < data.variants.size(); ++v) {
    auto& cells = table.rows[v].cells;
    cells.push_back(with_parents_cell(data.variants[v], training_flops));
    cells.push_back(with_parents_cell(data.variants[v], [&](const Record& record) {
      return whole_training(data, record).tokens;
    }));
    cells.push_back(with_parents_cell(data.variants[v], [&](const Record& record) {
      return whole_training(data, record).flops;
    }));
  }
}

/// Older records hold resident sets, which depend on what the process did before.
const char* memory_help(const StudyData& data) {
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good())
      if (const Metric* peak = train_memory(*record);
          peak && !peak->conditions.contains(condition::kPhase))
        return "peak resident set above start-up while training";
  return "bytes of tensors at the peak of training: weights, moments, gradients, activations";
}

}  // namespace

void add_cost_table(const StudyData& data, Report& report) {
  const std::string& reference_name = data.plan.compare_to;
  const auto column = [](const char* name) {
    const MetricInfo info = metric_info(name);
    return Column{info.heading, info.help};
  };
  Table table{"Cost",
              {column(metric::kParams),
               column(metric::kParamsNonEmbedding),
               column(metric::kTrainFlopsPerToken),
               {"of " + reference_name, "training FLOPs per token relative to the reference"},
               column(metric::kTrainTokens),
               column(metric::kTokensPerParameter),
               {"learning rate", "peak"},
               {"train memory", memory_help(data)},
               {"train time", "seconds, beside whatever else the machine did"},
               {"trials", "ended well / planned"}},
              {}};
  const auto reference =
      mean_metric(data.variant(reference_name).good(), metric::kTrainFlopsPerToken);
  const std::string note = busy_note(data);  // looks at every record
  for (const VariantData& variant : data.variants) {
    const auto cell = [&](const char* name) { return metric_cell(variant, name, report); };
    Row row{variant.name, {}};
    row.cells.push_back(cell(metric::kParams));
    row.cells.push_back(cell(metric::kParamsNonEmbedding));
    row.cells.push_back(cell(metric::kTrainFlopsPerToken));
    Cell relative = row.cells.back();
    if (relative.value && reference) {
      relative.value = *relative.value / *reference;
      relative.text = fixed(*relative.value, 3);
    }
    row.cells.push_back(relative);
    row.cells.push_back(cell(metric::kTrainTokens));
    row.cells.push_back(cell(metric::kTokensPerParameter));
    row.cells.push_back(rate_cell(variant));
    row.cells.push_back(
        metric_cell(variant.good(), metric::kPeakMemoryBytes, train_memory, report));
    row.cells.push_back(seconds_cell(variant, note, report));
    row.cells.push_back(failure_cell(variant, data.plan.seeds.size(), report));
    table.rows.push_back(row);
  }
  add_whole_training(data, table);
  report.tables.push_back(table);
}

}  // namespace sublab
