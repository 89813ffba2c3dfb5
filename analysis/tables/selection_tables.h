// The parts of a report that say who is kept: the state of each module after training, keep rates
// by class of token, and how far the kept sets of two variants agree.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Adds the tables for the variants that subsample; nothing when there are none.
void add_selection_tables(const StudyData& data, Report& report);

/// Adds the table of what training selects and evaluation keeps: retention, kept shares and their
/// largest deviation from it, selection gap, share of scores that have a gradient; over all seeds.
void add_held_selection_table(const StudyData& data, Report& report);

/// Agreement of two sets of kept tokens over the same text.
struct Overlap {
  double jaccard = 0;   ///< |A and B| / |A or B|; 1 when both are empty
  double expected = 0;  ///< the same if the two chose independently at their rates
};

/// Tokens of depth >= `level` in two lists of depths, one number per token. Throws
/// std::invalid_argument when they differ in length.
Overlap overlap_of(const std::vector<double>& depths_a, const std::vector<double>& depths_b,
                   int64_t level);

}  // namespace sublab
