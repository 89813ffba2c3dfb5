// The report as plain values: analysis/build_report.h makes it once, analysis/print prints it in
// several forms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/report/figure.h"

namespace sublab {

struct Cell {
  std::string text = "–";                ///< as shown; "–" = there is no value
  std::optional<double> value;           ///< the number behind it
  std::optional<double> low, high;       ///< 95 % interval
  bool strong = false;                   ///< the verdict is clear
  std::vector<size_t> notes;             ///< footnotes, counted from 1
  std::vector<std::string> records;      ///< ids that it comes from
  std::optional<double> deviation = {};  ///< over seeds
};

struct Column {
  std::string name, help;
};

struct Row {
  std::string variant;
  std::vector<Cell> cells;
};

struct Table {
  std::string title;
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::vector<std::pair<Column, Cell>> same = {};  ///< columns whose cells are all alike, said once
  std::string caption = {};  ///< what the reader must know to read the numbers
};

/// What stands under a table: the columns that never vary, then its caption.
std::string caption_text(const Table& table);

struct Report {
  std::string study, question;
  std::vector<std::string> facts;  ///< what holds for all rows
  std::vector<Table> tables;
  std::vector<std::string> findings;  ///< sentences under the tables
  std::vector<std::string> footnotes;
  std::vector<std::pair<std::string, std::vector<std::string>>> records;  ///< variant -> ids
  std::vector<Figure> figures;
};

/// Nothing stands in the column in any row, not even a note: printers of one table leave it out.
bool is_empty_column(const Table& table, size_t column);

/// What the columns that are not empty mean: names and help. Neighbours of one meaning share it,
/// and columns without help are left out.
std::vector<std::pair<std::vector<std::string>, std::string>> column_legend(const Table& table);

/// The number of a footnote, added when it is new.
size_t footnote(Report& report, const std::string& text);

}  // namespace sublab
