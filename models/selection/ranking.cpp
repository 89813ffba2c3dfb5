#include "models/selection/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sublab {

int64_t kept_tokens(int64_t length, double retention, Rounding rounding) {
  constexpr double kSlack = 1e-9;  // 0.64 * 25 is a little above 16 in floating point
  const double product = static_cast<double>(length) * retention;
  const double whole = rounding == Rounding::ceil    ? std::ceil(product - kSlack)
                       : rounding == Rounding::floor ? std::floor(product + kSlack)
                                                     : std::floor(product + 0.5 + kSlack);
  return std::clamp<int64_t>(static_cast<int64_t>(whole), 0, length);
}

std::vector<int64_t> descending_order(const double* scores, int64_t n) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [scores](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  return order;
}

}  // namespace sublab
