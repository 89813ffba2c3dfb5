// CSV, one line per cell: what a spreadsheet or a script takes without guessing.
#include "analysis/report.h"

namespace sublab {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string number(const std::optional<double>& value) { return value ? json(*value).dump() : ""; }

}  // namespace

std::string report_as_csv(const Report& report) {
  std::string out = "study,table,variant,column,value,low,high,text,notes,records\n";
  for (const Table& table : report.tables)
    for (const Row& row : table.rows)
      for (size_t c = 0; c < table.columns.size(); ++c) {
        const Cell& cell = row.cells[c];
        std::vector<std::string> notes;
        for (const size_t note : cell.notes) notes.push_back(report.footnotes[note - 1]);
        for (const std::string& field :
             {report.study, table.title, row.variant, table.columns[c].name, number(cell.value),
              number(cell.low), number(cell.high), cell.text, join(notes, "; ")})
          out += quoted(field) + ",";
        out += quoted(join(cell.records, " ")) + "\n";
      }
  return out;
}

}  // namespace sublab
