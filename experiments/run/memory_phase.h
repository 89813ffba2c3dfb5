// Memory of one phase of a trial, as metrics.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "core/schema/record.h"

namespace sublab {

/// From its making to `end` is one phase: "train" or "evaluate".
class MemoryPhase {
 public:
  explicit MemoryPhase(at::Device device);
  /// Adds the peaks since then, and what lived before, to the record.
  void end(const std::string& phase, Record& record) const;

 private:
  at::Device device_;
  double live_at_start_;      ///< bytes of tensors
  bool fresh_peak_resident_;  ///< the kernel let the peak start anew with the phase
};

}  // namespace sublab
