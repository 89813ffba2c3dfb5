// What selectors that rank a whole row share.
#pragma once

#include "models/selection/scorer.h"

namespace sublab {

/// K = length * retention as a whole number in [0, length]; safe against the rounding of products.
int64_t kept_tokens(int64_t length, double retention, Rounding rounding = Rounding::ceil);

/// Indices of one row's scores from the highest to the lowest; ties in order of index.
std::vector<int64_t> descending_order(const double* scores, int64_t n);

}  // namespace sublab
