// How many bytes the tensors of this process take. Resident sets depend on what earlier phases
// freed; these counts are the same in every run.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>

namespace sublab {

/// From now on every tensor on the CPU is counted. Called once, before threads start; further calls
/// do nothing. Scratch memory inside MKL is not the tensors' and is not counted.
void count_tensor_bytes();

/// Bytes of the tensors on `device` that live now: on the CPU as counted here, elsewhere as the
/// device's caching allocator counts them.
int64_t live_tensor_bytes(at::Device device = at::kCPU);
/// The most that lived at once since the last reset.
int64_t peak_tensor_bytes(at::Device device = at::kCPU);
/// The peak starts anew at what lives now.
void reset_peak_tensor_bytes(at::Device device = at::kCPU);

/// What a device's memory is taken by beside tensors.
struct DeviceMemory {
  int64_t peak_reserved_bytes = 0;  ///< the caching allocator's, since the last reset
  int64_t driver_used_bytes = 0;    ///< of the card, all processes, by the driver
  int64_t total_bytes = 0;          ///< that the card has
};
/// Nothing for the CPU, and for a device whose allocator does not say, or has not worked yet.
std::optional<DeviceMemory> device_memory(at::Device device);

/// The device's caching allocator gives back to the driver what it holds and no tensor uses. Does
/// nothing on the CPU.
void release_cached_memory(at::Device device);

/// Memory that would not do, known before it was asked for. The message says what is needed.
class OutOfMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// OutOfMemory, or an allocation that failed: of C++, of a tensor on the host or a device, or of a
/// library of the device for its own use.
bool is_out_of_memory(const std::exception& error);

/// A tensor that would take the total above `most` bytes fails with c10::OutOfMemoryError. 0 = no
/// limit.
void limit_tensor_bytes(int64_t most);

}  // namespace sublab
