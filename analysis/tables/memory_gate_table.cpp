// Gates of each layer with a memory, of the first seed (analysis/tables/memory_gate_table.h).
#include "analysis/tables/memory_gate_table.h"

#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {

void add_memory_gate_table(const StudyData& data, Report& report) {
  const std::vector<std::string> names = {metric::kMemoryGateMin, metric::kMemoryGateMean,
                                          metric::kMemoryGateMax};
  Table table{"Memory gates at the end of training (first seed)", {}, {}};
  for (const std::string& name : names)
    table.columns.push_back({metric_info(name).heading, metric_info(name).help});
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty()) continue;
    const Record& record = *good.front();
    for (int64_t layer = 0;; ++layer) {
      Row row{variant.name + ", layer " + std::to_string(layer), {}};
      for (const std::string& name : names) {
        const Metric* metric = record.find(name, {{condition::kLayer, layer}});
        if (!metric) break;
        Cell cell;
        if (metric->value) {
          cell.value = *metric->value;
          cell.text = fixed(*metric->value, 3);
          cell.records = {record.id};
        }
        row.cells.push_back(cell);
      }
      if (row.cells.size() < names.size()) break;
      table.rows.push_back(row);
    }
  }
  if (!table.rows.empty()) report.tables.push_back(table);
}

}  // namespace sublab
