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

/// Both must be done.
double seconds_between(const c10::Event& start, const c10::Event& end) {
  constexpr double kSecondsPerMillisecond = 1e-3;
  return start.elapsedTime(end) * kSecondsPerMillisecond;
}

}  // namespace stopwatch

Stopwatch::Stopwatch(at::Device device) : device_(device), start_(Clock::now()) {
  if (!device.is_cpu()) event_.emplace(stopwatch::event_now(device));
}

double Stopwatch::seconds() const {
  if (!event_) return seconds_since(start_);
  const c10::Event end = stopwatch::event_now(device_);
  end.synchronize();
  return stopwatch::seconds_between(*event_, end);
}

Laps::Laps(at::Device device) : device_(device) { mark(); }

void Laps::mark() {
  if (device_.is_cpu())
    times_.push_back(Clock::now());
  else
    events_.push_back(stopwatch::event_now(device_));
}

size_t Laps::n_laps() const { return times_.size() + events_.size() - 1; }

std::vector<double> Laps::seconds() const {
  std::vector<double> out;
  for (size_t i = 1; i < times_.size(); ++i)
    out.push_back(std::chrono::duration<double>(times_[i] - times_[i - 1]).count());
  if (events_.empty()) return out;
  events_.back().synchronize();  // those before it are done, too: they are of one stream
  for (size_t i = 1; i < events_.size(); ++i)
    out.push_back(stopwatch::seconds_between(events_[i - 1], events_[i]));
  return out;
}

}  // namespace sublab
