// The scorers of this tree, one file each.
#pragma once

#include "models/selection/scorer.h"

namespace sublab {

ScorerEntry learned_scorer();
ScorerEntry norm_scorer();
ScorerEntry random_scorer();
ScorerEntry stride_scorer();

}  // namespace sublab
