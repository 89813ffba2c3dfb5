// The figures of a report.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Adds every figure that the study has numbers for. Throws UserError on damaged arrays.
void add_figures(const StudyData& data, Report& report);

/// Which of the points no other point beats in one way without being worse in the other, in order
/// of cost. A lower cost is better.
std::vector<size_t> pareto_front(const std::vector<double>& cost,
                                 const std::vector<double>& quality, bool higher_is_better);

}  // namespace sublab
