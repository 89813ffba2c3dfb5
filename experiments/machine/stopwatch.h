// Seconds: of the host's steady clock, and of the work that a device was given.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <chrono>
#include <optional>
#include <vector>

namespace sublab {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// How long the work takes that is given to `device` from now on. On the CPU that is the host's
/// clock; elsewhere the time between two events on the device's current stream, which the host does
/// not disturb.
class Stopwatch {
 public:
  explicit Stopwatch(at::Device device);
  /// Seconds so far. On a device this waits until the work so far is done.
  double seconds() const;

 private:
  at::Device device_;
  Clock::time_point start_;
  std::optional<c10::Event> event_;
};

/// Times of many pieces of work, one after the other, that a device is given without waiting for
/// any of them: an event is recorded after each, and one wait at the end reads them all.
class Laps {
 public:
  /// The first piece begins now.
  explicit Laps(at::Device device);
  /// What was given to the device since the last mark is one piece. Does not wait.
  void mark();
  size_t n_laps() const;
  /// Seconds of each piece. Waits, once, until the device is done with the last one.
  std::vector<double> seconds() const;

 private:
  at::Device device_;
  std::vector<Clock::time_point> times_;  ///< on the CPU
  std::vector<c10::Event> events_;        ///< elsewhere
};

}  // namespace sublab
