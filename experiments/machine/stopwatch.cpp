// Device events through LibTorch's generic guard, whatever the device.
#include "experiments/machine/stopwatch.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace sublab {
namespace stopwatch {

/// Recorded on the device's current stream.
c10::Event event_now(at::Device device) {
  c10::Event event(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  event.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  return event;
}

}  // namespace stopwatch

Stopwatch::Stopwatch(at::Device device) : device_(device), start_(Clock::now()) {
  if (!device.is_cpu()) event_.emplace(stopwatch::event_now(device));
}

double Stopwatch::seconds() const {
  if (!event_) return seconds_since(start_);
  const c10::Event end = stopwatch::event_now(device_);
  end.synchronize();
  constexpr double kSecondsPerMillisecond = 1e-3;
  return event_->elapsedTime(end) * kSecondsPerMillisecond;
}

}  // namespace sublab
