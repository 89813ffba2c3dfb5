// Copies to a device that the host does not wait for.
#include "models/transfer.h"

namespace sublab {

at::Tensor sent_to(at::Device device, const at::Tensor& on_host) {
  if (device == on_host.device()) return on_host;
  const bool pinned = device.is_cuda() && on_host.is_cpu();
  return (pinned ? on_host.pin_memory() : on_host).to(device, on_host.scalar_type(), true);
}

at::Tensor sent_to(at::Device device, const std::vector<int64_t>& numbers) {
  return sent_to(device, at::tensor(numbers, at::kLong));
}

}  // namespace sublab
