// P-values corrected for how many comparisons were made.
#include <algorithm>
#include <numeric>

#include "analysis/statistics/statistics.h"

namespace sublab {
namespace {

/// Places of p-values from the smallest on.
std::vector<size_t> from_smallest(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(const std::vector<double>& p_values) {
  const auto order = from_smallest(p_values);
  std::vector<double> out(p_values.size());
  double highest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest,
                       std::min(1.0, p_values[order[i]] * static_cast<double>(order.size() - i)));
    out[order[i]] = highest;
  }
  return out;
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p_values) {
  const auto order = from_smallest(p_values);
  std::vector<double> out(p_values.size());
  double lowest = 1;
  for (size_t i = order.size(); i-- > 0;) {
    lowest = std::min(lowest, p_values[order[i]] * static_cast<double>(order.size()) /
                                  static_cast<double>(i + 1));
    out[order[i]] = lowest;
  }
  return out;
}

}  // namespace sublab
