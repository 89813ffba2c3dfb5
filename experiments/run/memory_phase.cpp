// Peaks of a phase (experiments/run/memory_phase.h).
#include "experiments/run/memory_phase.h"

#include "core/schema/metrics.h"
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
    record.metrics.push_back({name, bytes, {{condition::kPhase, phase}}, ""});
  };
  note(metric::kLiveMemoryBytes, live_at_start_);
  note(metric::kPeakMemoryBytes, static_cast<double>(peak_tensor_bytes()));
  if (fresh_peak_resident_) note(metric::kPeakResidentBytes, peak_resident_bytes());
}

}  // namespace sublab
