// Whether two short answers in LaTeX are the same after simple rewriting, as the evaluation of MATH
// has it (arXiv:2103.03874, hendrycks/math).
#pragma once

#include <string>

namespace sublab {

/// Without blanks, units, dollar and percent signs, \left, \right and degrees; \tfrac and \dfrac
/// are \frac; "k = 3" is "3"; \frac12, 1/2 and 0.5 are \frac{1}{2}; \sqrt3 is \sqrt{3}; ".5" is
/// "0.5". Where a text cannot be rewritten so, both are compared as they stand.
bool is_same_mathematics(const std::string& a, const std::string& b);

}  // namespace sublab
