// Two one-sided tests: whether a difference is smaller than a margin.
#include <algorithm>
#include <cmath>

#include "analysis/statistics/statistics.h"

namespace sublab {

double equivalence_p_value(double value, double margin, const DifferenceError& error) {
  const double room = margin - std::abs(value);
  const double both_sides = seeds_and_documents_p_value(std::abs(room), error.of_seeds, error.seeds,
                                                        error.of_documents, error.documents);
  return room > 0 ? both_sides / 2 : 1 - both_sides / 2;
}

}  // namespace sublab
