// What training rows held: shares of sources and of long documents before and after sampling, and
// the relative distances that sampled positions showed.
#include <algorithm>

#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace training_text {

Cell share_cell(const VariantData& variant, const char* name, const json& conditions,
                Report& report) {
  return metric_cell(
      variant.good(), name, [&](const Record& record) { return record.find(name, conditions); },
      report);
}

/// A number of tokens among the conditions of a metric.
Cell tokens_cell(const Metric& metric, const char* key) {
  Cell cell;
  cell.value = metric.conditions.value(key, 0.0);
  cell.text = fixed(*cell.value, 0);
  return cell;
}

/// The sources that the variant's records name, in the order of its corpora, and all together.
std::vector<std::string> sources_of(const Record& record) {
  std::vector<std::string> out;
  for (const Metric* each : record.find_all(metric::kLongDocuments, {{condition::kSampled, true}}))
    out.push_back(each->conditions.value(condition::kSource, ""));
  return out;
}

void add_sources(const StudyData& data, Report& report) {
  Table table{
      "Sources and long documents in training",
      {{"of tokens before", "share of the source's tokens in the documents as they are"},
       {"after", "in the rows that training read"},
       {"long before", "share of the source's tokens that are of long documents, as they are"},
       {"long after", "in the rows that training read"},
       {"long from", "tokens from which the variant's sampling calls a document long"}},
      {}};
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty()) continue;
    for (const std::string& source : sources_of(*good.front())) {
      const auto about = [&](bool sampled) {
        return json{{condition::kSource, source}, {condition::kSampled, sampled}};
      };
      Row row{variant.name + ", " + source, {}};
      for (const char* name : {metric::kSourceTokens, metric::kLongDocuments})
        for (const bool sampled : {false, true})
          row.cells.push_back(share_cell(variant, name, about(sampled), report));
      const Metric* any = good.front()->find(metric::kLongDocuments, about(true));
      row.cells.push_back(tokens_cell(*any, "long_document_tokens"));
      table.rows.push_back(row);
    }
  }
  if (table.rows.empty()) return;
  table.caption = "Variants that sample documents otherwise than plainly. ";
  report.tables.push_back(table);
}

void add_distances(const StudyData& data, Report& report) {
  const std::vector<const char*> names = {metric::kLongestDistance, metric::kDistancesUnseen,
                                          metric::kPairsBeyondRow};
  Table table{"Relative distances in training",
              {{"positions below", "the length that positions should reach"}},
              {}};
  for (const char* name : names) {
    const MetricInfo info = metric_info(name);
    table.columns.push_back({info.heading, info.help});
  }
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    const Metric* any = good.empty() ? nullptr : good.front()->find(metric::kDistancesUnseen);
    if (!any) continue;
    Row row{variant.name, {tokens_cell(*any, "positions_below")}};
    for (const char* name : names)
      row.cells.push_back(share_cell(variant, name, json::object(), report));
    table.rows.push_back(row);
  }
  if (table.rows.empty()) return;
  table.caption =
      "Between a token and each one that it sees, over the rows that training read; variants with "
      "contiguous positions see every distance of a row and no other. ";
  report.tables.push_back(table);
}

}  // namespace training_text

void add_training_text_tables(const StudyData& data, Report& report) {
  training_text::add_sources(data, report);
  training_text::add_distances(data, report);
}

}  // namespace sublab
