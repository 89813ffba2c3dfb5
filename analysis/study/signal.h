// What a task tells at the size of a study: how far its variants lie apart beside how far seeds do.
#pragma once

#include <vector>

namespace sublab {

/// The two-way layout of V variants by S seeds without replication: value[v][s] = mean + variant v
/// + seed s + error. An effect that a seed has on every variant is no noise of a comparison.
struct Signal {
  int64_t n_variants = 0, n_seeds = 0;
  double between = 0;  ///< standard deviation of the variants' means over seeds
  double noise = 0;    ///< of the error of a mean over S seeds: sqrt(MS error / S)
  double p = 1;        ///< of no difference between any variants: F of MS variants / MS error

  /// `between` squared holds the noise of the means, too; what is left of it, over the noise.
  double ratio() const;
};

/// `values[v][s]`: all rows as long, at least two by two. Errors of 0 give p = 0 where variants
/// differ, else 1.
Signal signal_of(const std::vector<std::vector<double>>& values);

}  // namespace sublab
