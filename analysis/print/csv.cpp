// CSV, one line per cell: what a spreadsheet or a script takes without guessing.
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/text/format.h"
#include "core/fields.h"

namespace sublab {
namespace {

std::string number(const std::optional<double>& value) { return value ? json(*value).dump() : ""; }

std::string line(const Report& report, const Table& table, const std::string& variant,
                 const Column& column, const Cell& cell) {
  std::vector<std::string> notes;
  for (const size_t note : cell.notes) notes.push_back(report.footnotes[note - 1]);
  std::string out;
  for (const std::string& field :
       {report.study, table.title, variant, column.name, number(cell.value), number(cell.low),
        number(cell.high), number(cell.deviation), cell.text, join(notes, "; ")})
    out += csv_quoted(field) + ",";
  return out + csv_quoted(join(cell.records, " ")) + "\n";
}

}  // namespace

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string report_as_csv(const Report& report) {
  std::string out = "study,table,variant,column,value,low,high,sd,text,notes,records\n";
  for (const Table& table : report.tables) {
    for (const Row& row : table.rows)
      for (size_t c = 0; c < table.columns.size(); ++c)
        out += line(report, table, row.variant, table.columns[c], row.cells[c]);
    for (const auto& [column, cell] : table.same) out += line(report, table, "all", column, cell);
  }
  return out;
}

}  // namespace sublab
