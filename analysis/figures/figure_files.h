// Figures as files beside the report.
#pragma once

#include <string>

#include "analysis/report/report.h"
#include "core/files.h"

namespace sublab {

/// Draws `folder`/figures/<id>.pdf for each figure. Returns "" or, where gnuplot could not, why
/// not; what stood there before is then removed.
std::string write_figure_files(const Report& report, const fs::path& folder);

}  // namespace sublab
