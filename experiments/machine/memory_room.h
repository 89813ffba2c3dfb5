// How much memory there is for tensors, on the host or on a device.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

struct MemoryRoom {
  double free_bytes = 0;   ///< now
  double total_bytes = 0;  ///< where nothing else runs
};

/// What the ledger says takes more than this many times what there is in all is not tried.
inline constexpr double kHopeless = 1.5;

/// Of the machine (or this container) for the CPU, of the card for a device; asking the first time
/// makes the device ready to work. Both are 0 for a device that does not say.
MemoryRoom memory_room(at::Device device);

}  // namespace sublab
