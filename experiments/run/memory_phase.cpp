// Peaks of a phase (experiments/run/memory_phase.h).
#include "experiments/run/memory_phase.h"

#include "core/schema/metrics.h"
#include "experiments/machine/environment.h"
#include "experiments/machine/tensor_memory.h"

namespace sublab {

MemoryPhase::MemoryPhase(at::Device device) : device_(device) {
  reset_peak_tensor_bytes(device);
  fresh_peak_resident_ = reset_peak_resident();
  live_at_start_ = static_cast<double>(live_tensor_bytes(device));
}

void MemoryPhase::end(const std::string& phase, Record& record) const {
  const auto note = [&](const char* name, double bytes) {
    record.metrics.push_back({name, bytes, {{condition::kPhase, phase}}, ""});
  };
  note(metric::kLiveMemoryBytes, live_at_start_);
  note(metric::kPeakMemoryBytes, static_cast<double>(peak_tensor_bytes(device_)));
  if (const auto memory = device_memory(device_)) {
    note(metric::kPeakReservedBytes, static_cast<double>(memory->peak_reserved_bytes));
    note(metric::kDriverUsedBytes, static_cast<double>(memory->driver_used_bytes));
  }
  if (fresh_peak_resident_) note(metric::kPeakResidentBytes, peak_resident_bytes());
}

}  // namespace sublab
