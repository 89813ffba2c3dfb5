// The report as JSON, numbers and texts both.
#include "analysis/report.h"

namespace sublab {
namespace {

json number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json cell_json(const Cell& cell) {
  return {{"text", cell.text},         {"value", number(cell.value)}, {"low", number(cell.low)},
          {"high", number(cell.high)}, {"strong", cell.strong},       {"notes", cell.notes},
          {"records", cell.records}};
}

}  // namespace

std::string report_as_json(const Report& report) {
  json tables = json::array();
  for (const Table& table : report.tables) {
    json columns = json::array(), rows = json::array();
    for (const Column& column : table.columns)
      columns.push_back({{"name", column.name}, {"help", column.help}});
    for (const Row& row : table.rows) {
      json cells = json::array();
      for (const Cell& cell : row.cells) cells.push_back(cell_json(cell));
      rows.push_back({{"variant", row.variant}, {"cells", cells}});
    }
    json same = json::array();
    for (const auto& [column, cell] : table.same)
      same.push_back({{"name", column.name}, {"help", column.help}, {"cell", cell_json(cell)}});
    tables.push_back({{"title", table.title},
                      {"columns", columns},
                      {"rows", rows},
                      {"same", same},
                      {"caption", table.caption}});
  }
  json records = json::object();
  for (const auto& [variant, ids] : report.records) records[variant] = ids;
  json figures = json::array();
  for (const Figure& figure : report.figures) {
    json lines = json::array();
    for (const Figure::Line& line : figure.lines)
      lines.push_back({{"name", line.name}, {"x", line.x}, {"y", line.y}});
    figures.push_back(
        {{"title", figure.title}, {"x", figure.x_label}, {"y", figure.y_label}, {"lines", lines}});
  }
  return json{{"schema", 1},
              {"study", report.study},
              {"question", report.question},
              {"facts", report.facts},
              {"tables", tables},
              {"findings", report.findings},
              {"footnotes", report.footnotes},
              {"records", records},
              {"figures", figures}}
             .dump(1) +
         "\n";
}

}  // namespace sublab
