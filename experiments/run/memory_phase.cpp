// Peaks of a phase (experiments/run/memory_phase.h).
#include "experiments/run/memory_phase.h"

#include "experiments/machine/environment.h"
#include "experiments/machine/tensor_memory.h"

namespace sublab {

MemoryPhase::MemoryPhase() {
  reset_peak_tensor_bytes();
  fresh_peak_resident_ = reset_peak_resident();
  live_at_start_ = static_cast<double>(live_tensor_bytes());
}

void MemoryPhase::end(const std::string& phase, Record& record) const {
  const auto note = [&](const char* name, double bytes) {
    record.metrics.push_back({name, bytes, {{"phase", phase}}, ""});
  };
  note("live_memory_bytes", live_at_start_);
  note("peak_memory_bytes", static_cast<double>(peak_tensor_bytes()));
  if (fresh_peak_resident_) note("peak_resident_bytes", peak_resident_bytes());
}

}  // namespace sublab
