// The report as JSON, numbers and texts both.
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "core/fields.h"
#include "core/json_text.h"

namespace sublab {
namespace {

json json_number(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

json cell_json(const Cell& cell) {
  return {{"text", cell.text},
          {"value", json_number(cell.value)},
          {"low", json_number(cell.low)},
          {"high", json_number(cell.high)},
          {"sd", json_number(cell.deviation)},
          {"strong", cell.strong},
          {"notes", cell.notes},
          {"records", cell.records}};
}

json series_json(const FigureSeries& series) {
  static const char* const kinds[] = {"line", "points", "guide"};
  json out = {{"name", series.name},
              {"kind", kinds[static_cast<int>(series.kind)]},
              {"x", series.x},
              {"y", series.y}};
  for (const auto& [name, values] : {std::pair{"x_low", &series.x_low},
                                     {"x_high", &series.x_high},
                                     {"y_low", &series.y_low},
                                     {"y_high", &series.y_high}})
    if (!values->empty()) out[name] = *values;
  if (!series.labels.empty()) out["labels"] = series.labels;
  return out;
}

json figure_json(const Figure& figure) {
  json out = {{"id", figure.id},
              {"title", figure.title},
              {"caption", figure.caption},
              {"x", {{"label", figure.x.label}, {"log", figure.x.log}}},
              {"y", {{"label", figure.y.label}, {"log", figure.y.log}}}};
  if (!figure.heat_map) {
    out["series"] = json::array();
    for (const FigureSeries& series : figure.series) out["series"].push_back(series_json(series));
    return out;
  }
  json rows = json::array();
  for (const auto& row : figure.heat_map->rows) {
    rows.push_back(json::array());
    for (const auto& value : row) rows.back().push_back(json_number(value));
  }
  out["heat_map"] = {
      {"x_ticks", figure.heat_map->x_ticks}, {"y_ticks", figure.heat_map->y_ticks}, {"rows", rows}};
  return out;
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
  for (const Figure& figure : report.figures) figures.push_back(figure_json(figure));
  constexpr int kLevels = 4;  // a line per row of a table
  return json_text({{"schema", 1},
                    {"study", report.study},
                    {"question", report.question},
                    {"facts", report.facts},
                    {"tables", tables},
                    {"findings", report.findings},
                    {"footnotes", report.footnotes},
                    {"records", records},
                    {"figures", figures}},
                   kLevels);
}

}  // namespace sublab
