// Devices by LibTorch's generic interfaces, so that a program without CUDA compiles all of it.
#include "experiments/machine/device.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <cstdlib>

#include "core/error.h"
#include "experiments/machine/cuda_driver.h"
#include "experiments/machine/nvml.h"

namespace sublab {
namespace {

/// What LibTorch would say on standard error of a driver that does not work is said by why_no_cuda.
class Quiet : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
};

int64_t n_cuda_devices() {
  Quiet quiet;
  const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  return at::hasCUDA() ? static_cast<int64_t>(at::getNumGPUs()) : 0;
}

}  // namespace

std::string resolve_device(const std::string& given, const std::string& where) {
  if (given == "auto") return n_cuda_devices() > 0 ? "cuda" : "cpu";
  const bool numbered = given.starts_with("cuda:") && given.size() > 5 && given.size() < 9 &&
                        given.find_first_not_of("0123456789", 5) == std::string::npos;
  if (given != "cpu" && given != "cuda" && !numbered)
    throw UserError(where, "unknown device '" + given + "'; allowed: cpu, cuda, cuda:N, auto");
  return given;
}

at::Device find_device(const std::string& given, const std::string& where) {
  const std::string name = resolve_device(given, where);
  if (name == "cpu") return at::kCPU;
  const int64_t n = n_cuda_devices();
  if (n == 0)
    throw UserError(where, "'" + given + "': " + why_no_cuda(cuda_build(), cuda_driver()) +
                               "; use cpu or auto");
  const int64_t index = name == "cuda" ? 0 : std::stoll(name.substr(5));
  if (index >= n)
    throw UserError(where,
                    "'" + given + "': this machine has CUDA devices 0 to " + std::to_string(n - 1));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

std::optional<at::Device> present_device(const std::string& given) {
  const std::string name = resolve_device(given, "device");
  if (name == "cpu") return at::kCPU;
  const int64_t index = name == "cuda" ? 0 : std::stoll(name.substr(5));
  if (index >= n_cuda_devices()) return std::nullopt;
  return find_device(name, "device");
}

std::string device_kind(at::Device device) { return c10::DeviceTypeName(device.type(), true); }

std::string device_kind(const std::string& resolved) {
  return resolved.substr(0, resolved.find(':'));
}

void synchronize(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.getStream(device).synchronize();
}

json card_state(at::Device device) {
  if (device.is_cpu()) return nullptr;
  json state = {{"kind", device_kind(device)}, {"index", device.index()}};
  if (device.is_cuda())
    state.update(nvml_state(card_number(device.index(), std::getenv("CUDA_VISIBLE_DEVICES"))));
  return state;
}

}  // namespace sublab
