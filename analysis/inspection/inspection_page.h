// The parts of an inspection's page around the text: style, script, legends, histograms.
#pragma once

#include <string>

#include "analysis/inspection/inspected_text_html.h"

namespace sublab {

/// CSS behind that of every page.
std::string inspection_style(const Inspection& inspection);
/// Follows pointer, tap and arrow keys with the read-out, and switches the shading.
std::string inspection_script();
/// What the text can be shaded by: depth, loss, scores by module, and the difference of two.
std::string mode_buttons(const Inspection& inspection, const Shading& shading);
/// The meaning of the shades, one legend for each way of shading.
std::string legends(const Inspection& inspection, size_t side, const Shading& shading);
/// Scores of the kept and of the dropped as SVG, on top of each other.
std::string score_histogram(const InspectedModule& module);

}  // namespace sublab
