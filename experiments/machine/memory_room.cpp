// Asks the kernel, or the device's driver.
#include "experiments/machine/memory_room.h"

#include "experiments/machine/environment.h"
#include "experiments/machine/tensor_memory.h"

namespace sublab {

MemoryRoom memory_room(at::Device device) {
  if (device.is_cpu()) return {available_memory_bytes(), total_memory_bytes()};
  at::empty({1}, at::device(device));  // an allocator that has not worked yet says nothing
  const auto memory = device_memory(device);
  if (!memory) return {};
  const auto total = static_cast<double>(memory->total_bytes);
  return {total - static_cast<double>(memory->driver_used_bytes), total};
}

}  // namespace sublab
