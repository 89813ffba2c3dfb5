// What follows from paired differences; used by what pairs losses and accuracies.
#pragma once

#include "analysis/study/comparison.h"

namespace sublab {

/// Fills in what `out` says of differences per seed: [seeds][documents or rows], the same documents
/// for every seed unless `out.own_rows`. Shares end at -1 and 1.
void estimate_difference(const std::vector<std::vector<DocumentSum>>& per_seed,
                         const std::vector<int64_t>& seeds, Comparison& out);

/// After p-values were corrected: what the design finds at the level of Holm's first step.
void set_detectable_after_holm(Comparison& comparison);

}  // namespace sublab
