// The largest batch that fits a memory budget, by doubling and bisection.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sublab {

struct BatchTry {
  int64_t batch;
  std::optional<double> bytes;  ///< nothing: stopped above the budget
};

struct BatchSearch {
  int64_t largest = 0;    ///< 0: not even one row fits
  double bytes = 0;       ///< measured with that batch
  bool at_limit = false;  ///< `most` fits; more was not tried
  std::vector<BatchTry> tries;
};

/// The largest batch in [1, most] that `bytes` measured to be within `budget`, and that one row
/// more did not fit. `bytes` returns nothing for a try that it stopped above the budget. A batch
/// whose estimate (a line through the two largest that fitted) is above `room`, what the machine
/// has (at least `budget`), counts as too large without a try. Takes at most 2 log2(most) + 2
/// tries.
BatchSearch search_largest_batch(const std::function<std::optional<double>(int64_t)>& bytes,
                                 double budget, double room, int64_t most);

}  // namespace sublab
