// The report: built once as a plain value, printed in several forms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/figure.h"
#include "core/fields.h"
#include "core/files.h"

namespace sublab {

struct Cell {
  std::string text = "–";            ///< as shown; "–" = there is no value
  std::optional<double> value;       ///< the number behind it
  std::optional<double> low, high;   ///< 95 % interval
  bool strong = false;               ///< the verdict is clear
  std::vector<size_t> notes;         ///< footnotes, counted from 1
  std::vector<std::string> records;  ///< ids that it comes from
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
};

struct Report {
  std::string study, question;
  std::vector<std::string> facts;  ///< what holds for all rows
  std::vector<Table> tables;
  std::vector<std::string> findings;  ///< sentences under the tables
  std::vector<std::string> footnotes;
  std::vector<Figure> figures;
};

/// Reads a study folder. Throws UserError (no plan, no records, damaged files).
Report build_report(const fs::path& study_folder);

/// Adds what the folder's speed measurement says, alone. Throws UserError when there is none.
void add_bench_report(const fs::path& study_folder, Report& report);

std::string report_as_markdown(const Report& report);
std::string report_as_csv(const Report& report);
std::string report_as_json(const Report& report);
/// One page that needs nothing else. Its figures are drawn by gnuplot; where that cannot be, the
/// page says so.
std::string report_as_html(const Report& report);
/// A whole LaTeX document. It takes its figures from figures/<id>.pdf beside it where they exist.
std::string report_as_latex(const Report& report);
/// Draws `folder`/figures/<id>.pdf for each figure. Returns "" or, where gnuplot could not, why
/// not; what stood there before is then removed.
std::string write_figure_files(const Report& report, const fs::path& folder);

}  // namespace sublab
