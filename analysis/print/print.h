// Forms that a report is printed in.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/report.h"

namespace sublab {

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

}  // namespace sublab
