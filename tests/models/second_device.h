// A device that is not the CPU, for machines without one: LibTorch's PrivateUse1, whose memory only
// operators can read. What would fail or wait on a GPU fails or is counted here.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace sublab {

/// Registers the device on the first call. Its memory is closed to the host (reading it through a
/// pointer is a segmentation fault) but for the time that an operator works: each operator is the
/// CPU's, on copies, so that numbers equal the CPU's bit for bit. An operator that is given a CPU
/// tensor of one dimension or more beside a tensor of the device throws, as it would on a GPU.
at::Device second_device();

/// What crossed between host and device since it was made. One at a time.
class Transfers {
 public:
  Transfers();
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  /// Reads by the host: copies to CPU tensors and single numbers; each waits for the device.
  int64_t to_host() const;
  /// Copies of CPU tensors to the device.
  int64_t to_device() const;
  /// Those of both for which the host would have waited: all reads, and copies to the device that
  /// were not said to go by themselves.
  int64_t waits() const;
};

/// Events that were recorded on the device since the program began.
int64_t n_device_events();

}  // namespace sublab
