// What is made of the rounds of one condition.
#pragma once

#include <vector>

#include "experiments/measure/measure.h"

namespace sublab {

/// The rounds of one variant under one condition, or why there are none.
struct SubjectRounds {
  const PlannedTrial* trial = nullptr;
  bool repeat_of_reference = false;
  double ledger_memory_bytes = 0;  ///< its peak; 0 = not known
  std::vector<RoundResult> rounds;
  std::string out_of_memory;  ///< why it did not run; "" = it did

  bool ran() const { return out_of_memory.empty(); }
};

/// The measurement that a bench file states. A subject that ran out of memory has a series of its
/// own without rounds; where the reference did, nobody has a ratio.
BenchMeasurement measurement_of(const RoundOrder& order, const std::vector<SubjectRounds>& subjects,
                                const std::string& compare_to);

}  // namespace sublab
