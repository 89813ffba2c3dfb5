// From which context on a variant is faster than the reference.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics/statistics.h"
#include "core/schema/bench.h"

namespace sublab {

/// Speed-up of one variant at the contexts that were measured, in one mode, number format and
/// batch, shortest context first.
struct SpeedCurve {
  std::string mode, dtype, variant;
  int64_t batch = 0;
  std::vector<double> contexts;
  std::vector<Estimate> speed_ups;  ///< paired rounds against the reference
  std::vector<std::string> trials;  ///< own and the reference's, of each context
};

/// Every variant but the reference, where two contexts or more were measured.
std::vector<SpeedCurve> speed_curves(const BenchFile& bench);

/// Where a curve of ratios first exceeds 1, between two measured contexts by interpolation of the
/// logarithms of ratio and context.
struct Crossing {
  enum class Where {
    between,     ///< at `context`
    from_start,  ///< it lies above 1 at the shortest context already
    nowhere      ///< it never does up to the longest
  };
  Where where = Where::nowhere;
  double context = 0;  ///< the crossing; the shortest context, or the longest one
};

/// Contexts ascend; ratios are above 0.
Crossing first_above_one(const std::vector<double>& contexts, const std::vector<double>& ratios);

/// The break-even length: of the medians, and of the lower ends of their intervals (nothing where a
/// context has no interval), from which on the gain is told from 1.
struct BreakEven {
  Crossing median;
  std::optional<Crossing> told;
};
BreakEven break_even(const SpeedCurve& curve);

}  // namespace sublab
