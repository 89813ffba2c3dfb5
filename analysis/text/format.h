// Numbers, paths and mark-up as text.
#pragma once

#include <string>

#include "analysis/statistics/statistics.h"
#include "core/schema/metrics.h"

namespace sublab {

std::string fixed(double value, int digits);
std::string signed_fixed(double value, int digits);  ///< "+0.12", "-0.12" with a true minus sign
std::string significant(double value, int digits);
std::string si_text(double value);    ///< "1.23 M"
std::string megabytes(double bytes);  ///< "1.23 MB", "45 MB", "61.9 GB"
/// A metric's value as its entry says that it is shown.
std::string metric_text(const MetricInfo& metric, double value);
/// "[a, b]", with more digits where the ends would read alike.
std::string interval_text(const Interval& interval, int digits);

/// A file or checkpoint as a page names it, wherever it lies on the author's machine: as it was
/// given below the working folder, else its last part; a trial's checkpoint from its study on.
std::string shown_path(const std::string& path);

/// Text for HTML and SVG: &, <, > and quotes escaped.
std::string escaped(const std::string& text);

/// A field of a CSV file, in quotes where it needs them.
std::string csv_quoted(const std::string& text);

/// Characters as a terminal shows them: UTF-8 sequences count once.
size_t n_characters(const std::string& text);

}  // namespace sublab
