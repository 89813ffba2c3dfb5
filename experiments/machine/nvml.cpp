// A few calls of libnvidia-ml.so.1, found by name: its header is not needed to build.
#include "experiments/machine/nvml.h"

#include <dlfcn.h>

namespace sublab {
namespace nvml {

using Card = struct CardOpaque*;
struct Memory {
  unsigned long long total, free, used;  // bytes
};
constexpr unsigned kSmClock = 1, kMemoryClock = 2, kGpuTemperature = 0, kNameBytes = 96;

/// The library, started once; its calls return 0 where they succeed.
class Library {
 public:
  Library() : handle_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
    usable_ = call<int (*)()>("nvmlInit_v2");
  }
  bool usable() const { return usable_; }

  /// Calls the function of this name; false where it is missing or fails.
  template <class Function, class... Arguments>
  bool call(const char* name, Arguments... arguments) const {
    const auto function = handle_ ? reinterpret_cast<Function>(::dlsym(handle_, name)) : nullptr;
    return function && function(arguments...) == 0;
  }

 private:
  void* handle_;
  bool usable_ = false;
};

const Library& library() {
  static const Library library;
  return library;
}

void add_number(json& out, const char* key, const char* function, Card card, double scale = 1) {
  unsigned value = 0;
  if (library().call<int (*)(Card, unsigned*)>(function, card, &value)) out[key] = value * scale;
}

void add_clock(json& out, const char* key, const char* function, Card card, unsigned clock) {
  unsigned value = 0;
  if (library().call<int (*)(Card, unsigned, unsigned*)>(function, card, clock, &value))
    out[key] = value;
}

}  // namespace nvml

std::vector<std::string> throttle_reasons(uint64_t mask) {
  // Bit by bit, as the library's documentation lists them; idle and set clocks are no trouble, but
  // a reader wants to know.
  static const char* const names[] = {"gpu_idle",    "applications_clocks", "sw_power_cap",
                                      "hw_slowdown", "sync_boost",          "sw_thermal",
                                      "hw_thermal",  "hw_power_brake",      "display_clocks"};
  std::vector<std::string> out;
  for (size_t bit = 0; bit < std::size(names); ++bit)
    if (mask >> bit & 1) out.push_back(names[bit]);
  return out;
}

json nvml_state(int64_t index) {
  using namespace nvml;
  json out = json::object();
  if (!library().usable()) return out;
  char text[kNameBytes] = "";
  if (library().call<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion", text, kNameBytes))
    out["driver"] = text;
  Card card = nullptr;
  if (!library().call<int (*)(unsigned, Card*)>("nvmlDeviceGetHandleByIndex_v2",
                                                static_cast<unsigned>(index), &card))
    return out;
  if (library().call<int (*)(Card, char*, unsigned)>("nvmlDeviceGetName", card, text, kNameBytes))
    out["name"] = text;
  Memory memory{};
  if (library().call<int (*)(Card, Memory*)>("nvmlDeviceGetMemoryInfo", card, &memory)) {
    out["memory_bytes"] = memory.total;
    out["memory_used_bytes"] = memory.used;
  }
  add_clock(out, "sm_clock_mhz", "nvmlDeviceGetClockInfo", card, kSmClock);
  add_clock(out, "sm_clock_mhz_max", "nvmlDeviceGetMaxClockInfo", card, kSmClock);
  add_clock(out, "memory_clock_mhz", "nvmlDeviceGetClockInfo", card, kMemoryClock);
  add_clock(out, "temperature_c", "nvmlDeviceGetTemperature", card, kGpuTemperature);
  constexpr double kWattsPerMilliwatt = 1e-3;
  add_number(out, "power_w", "nvmlDeviceGetPowerUsage", card, kWattsPerMilliwatt);
  add_number(out, "power_cap_w", "nvmlDeviceGetEnforcedPowerLimit", card, kWattsPerMilliwatt);
  unsigned long long reasons = 0;
  if (library().call<int (*)(Card, unsigned long long*)>(
          "nvmlDeviceGetCurrentClocksThrottleReasons", card, &reasons))
    out["throttle_reasons"] = throttle_reasons(reasons);
  return out;
}

}  // namespace sublab
