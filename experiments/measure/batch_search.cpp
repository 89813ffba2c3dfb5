// Doubles, then halves the interval, until the largest batch is known.
#include "experiments/measure/batch_search.h"

#include <algorithm>

namespace sublab {
namespace {

struct Point {
  int64_t batch;
  double bytes;
};

/// Bytes of `batch` by what fitted so far, in ascending order; 0 when too little did to tell.
double estimate(const std::vector<Point>& fitted, int64_t batch) {
  if (fitted.size() < 2) return 0;
  const Point &before = fitted[fitted.size() - 2], &last = fitted.back();
  const double slope = (last.bytes - before.bytes) / static_cast<double>(last.batch - before.batch);
  return last.bytes + static_cast<double>(batch - last.batch) * std::max(slope, 0.0);
}

}  // namespace

BatchSearch search_largest_batch(const std::function<std::optional<double>(int64_t)>& bytes,
                                 double budget, double room, int64_t most) {
  BatchSearch out;
  std::vector<Point> fitted;
  const auto fits = [&](int64_t batch) {
    if (estimate(fitted, batch) > room) return false;
    const std::optional<double> taken = bytes(batch);
    out.tries.push_back({batch, taken});
    if (!taken || *taken > budget) return false;
    fitted.push_back({batch, *taken});
    return true;
  };
  int64_t low = 0, high = 1;  // low fits, high is tried next
  while (high <= most && fits(high)) {
    low = high;
    high = high == most ? most + 1 : std::min(2 * high, most);
  }
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  out.largest = low;
  out.at_limit = low == most;
  if (!fitted.empty()) out.bytes = fitted.back().bytes;
  return out;
}

}  // namespace sublab
