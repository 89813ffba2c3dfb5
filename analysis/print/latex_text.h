// Texts and numbers of a report as LaTeX.
#pragma once

#include <string>

namespace sublab {

/// Any UTF-8 text so that LaTeX prints it as it reads. What pdflatex's fonts do not have becomes
/// its code point in brackets.
std::string latex_escaped(const std::string& text);

/// The same for what stands in a cell: each number becomes \num{...}, "1.23 M" keeps its unit with
/// a thin space.
std::string latex_cell(const std::string& text);

/// A number and nothing else, with a hyphen for its minus sign, as siunitx reads it; "" when `text`
/// is none.
std::string siunitx_number(const std::string& text);

}  // namespace sublab
