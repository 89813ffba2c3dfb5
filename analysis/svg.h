// A figure as SVG that follows the page's colours.
#pragma once

#include <string>

#include "analysis/report.h"

namespace sublab {

std::string figure_as_svg(const Figure& figure);

/// Text with &, <, > and quotes escaped.
std::string escaped(const std::string& text);

}  // namespace sublab
