// Memory of one phase of a trial, as metrics.
#pragma once

#include <string>

#include "core/schema/record.h"

namespace sublab {

/// From its making to `end` is one phase: "train" or "evaluate".
class MemoryPhase {
 public:
  MemoryPhase();
  /// Adds the peaks since then, and what lived before, to the record.
  void end(const std::string& phase, Record& record) const;

 private:
  double live_at_start_;      ///< bytes of tensors
  bool fresh_peak_resident_;  ///< the kernel let the peak start anew with the phase
};

}  // namespace sublab
