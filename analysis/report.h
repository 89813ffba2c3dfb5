// The report: built once as a plain value, printed in several forms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/figures/figure.h"
#include "core/fields.h"
#include "core/files.h"

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

/// Reads a study folder. Throws UserError (no plan, no records, damaged files).
Report build_report(const fs::path& study_folder);

/// Adds what the folder's speed measurement says, alone. Throws UserError when there is none.
void add_bench_report(const fs::path& study_folder, Report& report);

/// The last step of building: says once what never varies, and how to read what does.
void finish_tables(Report& report);

/// The forms that a report is printed in, as endings of file names: "md", "csv", ...
const std::vector<std::string>& report_formats();
/// One of them. Throws UserError for another name.
std::string report_as(const std::string& format, const Report& report);

std::string report_as_markdown(const Report& report);
std::string report_as_csv(const Report& report);
std::string report_as_json(const Report& report);
/// One page that needs nothing else. Its figures are drawn by gnuplot; where that cannot be, the
/// page says so.
std::string report_as_html(const Report& report);
/// A whole LaTeX document. It takes its figures from figures/<id>.pdf beside it where they exist.
std::string report_as_latex(const Report& report);
/// One of its tables as a tabular of booktabs for \input into a paper; its notes stand behind it.
/// `name`: the title in lower case with '_' for the rest, or the beginning of one: "quality",
/// "speed_train". Throws UserError for another name.
std::string table_as_latex(const Report& report, const std::string& name);
/// Draws `folder`/figures/<id>.pdf for each figure. Returns "" or, where gnuplot could not, why
/// not; what stood there before is then removed.
std::string write_figure_files(const Report& report, const fs::path& folder);

}  // namespace sublab
