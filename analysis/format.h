// Numbers and footnotes as text.
#pragma once

#include <string>

#include "analysis/report.h"
#include "analysis/statistics.h"

namespace sublab {

std::string fixed(double value, int digits);
std::string signed_fixed(double value, int digits);  ///< "+0.12", "-0.12" with a true minus sign
std::string significant(double value, int digits);
std::string si_text(double value);                                ///< "1.23 M"
std::string megabytes(double bytes);                              ///< "1.23 MB", "45 MB", "61.9 GB"
std::string interval_text(const Interval& interval, int digits);  ///< "[a, b]"

/// Text for HTML and SVG: &, <, > and quotes escaped.
std::string escaped(const std::string& text);

/// Characters as a terminal shows them: UTF-8 sequences count once.
size_t n_characters(const std::string& text);

/// Nothing stands in the column in any row, not even a note: printers of one table leave it out.
bool is_empty_column(const Table& table, size_t column);

/// The number of a footnote, added when it is new.
size_t footnote(Report& report, const std::string& text);

}  // namespace sublab
