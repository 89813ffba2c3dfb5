// Markdown that also reads well in a terminal: columns are aligned.
#include <algorithm>

#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/text/format.h"
#include "core/error.h"

namespace sublab {
namespace {

std::string padded(const std::string& text, size_t to, bool left) {
  const std::string blanks(to > n_characters(text) ? to - n_characters(text) : 0, ' ');
  return left ? text + blanks : blanks + text;
}

/// Without what ends a cell or a row.
std::string inside_cell(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '|' ? std::string("\\|") : std::string(1, c == '\n' || c == '\r' ? ' ' : c);
  return out;
}

std::string cell_text(const Cell& cell) {
  std::string text = inside_cell(cell.text);
  if (cell.strong) text = "**" + text + "**";
  for (const size_t note : cell.notes) text += " [" + std::to_string(note) + "]";
  return text;
}

std::string table_text(const Table& table) {
  std::vector<std::vector<std::string>> lines(1 + table.rows.size());
  lines[0].push_back("variant");
  for (size_t r = 0; r < table.rows.size(); ++r)
    lines[r + 1].push_back(inside_cell(table.rows[r].variant));
  for (size_t c = 0; c < table.columns.size(); ++c) {
    if (is_empty_column(table, c)) continue;
    lines[0].push_back(inside_cell(table.columns[c].name));
    for (size_t r = 0; r < table.rows.size(); ++r)
      lines[r + 1].push_back(cell_text(table.rows[r].cells[c]));
  }
  std::string out = "### " + table.title + "\n\n";
  std::vector<size_t> widths(lines[0].size(), 3);
  for (const auto& line : lines)
    for (size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], n_characters(line[c]));
  for (size_t r = 0; r < lines.size(); ++r) {
    for (size_t c = 0; c < lines[r].size(); ++c)
      out += "| " + padded(lines[r][c], widths[c], c == 0) + " ";
    out += "|\n";
    if (r > 0) continue;
    for (size_t c = 0; c < widths.size(); ++c)
      out += c == 0 ? "|:" + std::string(widths[c] + 1, '-')
                    : "|" + std::string(widths[c] + 1, '-') + ":";
    out += "|\n";
  }
  const std::string caption = caption_text(table);
  const auto legend = column_legend(table);
  if (!legend.empty()) out += "\n";
  for (const auto& [names, help] : legend) out += "- " + join(names) + ": " + help + "\n";
  return out + (caption.empty() ? "\n" : "\n" + caption + "\n\n");
}

}  // namespace

std::string report_as_markdown(const Report& report) {
  std::string out = "## " + report.study + "\n\n";
  if (!report.question.empty()) out += report.question + "\n\n";
  for (const std::string& fact : report.facts) out += "- " + fact + "\n";
  if (!report.facts.empty()) out += "\n";
  for (const Table& table : report.tables) out += table_text(table);
  for (const std::string& finding : report.findings) out += "- " + finding + "\n";
  if (!report.findings.empty()) out += "\n";
  for (size_t i = 0; i < report.footnotes.size(); ++i)
    out += "[" + std::to_string(i + 1) + "] " + report.footnotes[i] + "\n";
  if (!report.records.empty()) out += "\nRecords:\n\n";
  for (const auto& [variant, ids] : report.records)
    out += "- " + variant + ": " + (ids.empty() ? "none" : join(ids, " ")) + "\n";
  return out;
}

}  // namespace sublab
