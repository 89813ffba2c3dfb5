// Devices by LibTorch's generic interfaces, so that a program without CUDA compiles all of it.
#include "experiments/machine/device.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/error.h"
#include "experiments/machine/nvml.h"

namespace sublab {
namespace {

int64_t n_cuda_devices() { return at::hasCUDA() ? static_cast<int64_t>(at::getNumGPUs()) : 0; }

std::string why_no_cuda() {
#ifdef SUBLAB_CUDA
  return "this machine shows no CUDA device";
#else
  return "this program was built without CUDA (cmake -DSUBLAB_CUDA=ON)";
#endif
}

}  // namespace

at::Device find_device(const std::string& given, const std::string& where) {
  const int64_t n = n_cuda_devices();
  if (given == "cpu" || (given == "auto" && n == 0)) return at::kCPU;
  const bool numbered = given.starts_with("cuda:") && given.size() > 5 && given.size() < 9 &&
                        given.find_first_not_of("0123456789", 5) == std::string::npos;
  if (given != "cuda" && given != "auto" && !numbered)
    throw UserError(where, "unknown device '" + given + "'; allowed: cpu, cuda, cuda:N, auto");
  if (n == 0) throw UserError(where, "'" + given + "': " + why_no_cuda() + "; use cpu or auto");
  const int64_t index = numbered ? std::stoll(given.substr(5)) : 0;
  if (index >= n)
    throw UserError(where,
                    "'" + given + "': this machine has CUDA devices 0 to " + std::to_string(n - 1));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

std::string device_kind(at::Device device) { return c10::DeviceTypeName(device.type(), true); }

void synchronize(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.getStream(device).synchronize();
}

json card_state(at::Device device) {
  if (device.is_cpu()) return nullptr;
  json state = {{"kind", device_kind(device)}, {"index", device.index()}};
  if (device.is_cuda()) state.update(nvml_state(device.index()));
  return state;
}

}  // namespace sublab
