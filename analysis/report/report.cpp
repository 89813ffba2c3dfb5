// What readers of a report ask its values.
#include "analysis/report/report.h"

#include <algorithm>

#include "core/error.h"

namespace sublab {

std::string caption_text(const Table& table) {
  std::vector<std::string> parts;
  for (const auto& [column, cell] : table.same) parts.push_back(column.name + ": " + cell.text);
  std::string out = parts.empty() ? "" : "The same in all rows: " + join(parts, "; ") + ".";
  if (!out.empty() && !table.caption.empty()) out += " ";
  return out + table.caption;
}

bool is_empty_column(const Table& table, size_t column) {
  return std::all_of(table.rows.begin(), table.rows.end(), [&](const Row& row) {
    return row.cells[column].text == "–" && row.cells[column].notes.empty();
  });
}

std::vector<std::pair<std::vector<std::string>, std::string>> column_legend(const Table& table) {
  std::vector<std::pair<std::vector<std::string>, std::string>> out;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    if (is_empty_column(table, c) || column.help.empty()) continue;
    if (out.empty() || out.back().second != column.help) out.push_back({{}, column.help});
    out.back().first.push_back(column.name);
  }
  return out;
}

size_t footnote(Report& report, const std::string& text) {
  for (size_t i = 0; i < report.footnotes.size(); ++i)
    if (report.footnotes[i] == text) return i + 1;
  report.footnotes.push_back(text);
  return report.footnotes.size();
}

}  // namespace sublab
