// What a variant is worth in training compute of the reference, from a ladder of sizes.
//
//   log L = a_v - b log C        L loss, C training FLOPs, v the curve; one slope b for both
//   log x = (a_reference - a_v) / b
//
// A variant trained with C FLOPs reaches the loss of the reference trained with x C. Over a range
// of an order of magnitude or two a power law without an irreducible part describes a loss well,
// and three to five sizes could not tell that part anyway.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics/statistics.h"

namespace sublab {

/// One trained model of a ladder.
struct LadderPoint {
  double flops = 0;  ///< of its whole training
  double loss = 0;   ///< nats per token
};

struct ComputeWorth {
  bool possible = false;
  std::string reason;  ///< why not
  /// x with Fieller's 95 % interval; none when the slope cannot be told from 0, which leaves x
  /// without bounds, and when the points lie on their lines but for rounding.
  Estimate times;
  double exponent_reference = 0, exponent = 0;         ///< b of each curve fitted alone
  std::optional<double> parallel_p_value;              ///< of "both have one slope"
  double times_at_smallest = 0, times_at_largest = 0;  ///< x from the two separate fits
  double low_flops = 0, high_flops = 0;                ///< range that both ladders span
};

/// `points` and `reference`: one per size and seed; at least three sizes each, two of them shared
/// in range.
ComputeWorth compute_worth(const std::vector<LadderPoint>& points,
                           const std::vector<LadderPoint>& reference);

}  // namespace sublab
