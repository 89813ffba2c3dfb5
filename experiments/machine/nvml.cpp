// A few calls of libnvidia-ml.so.1, found by name: its header is not needed to build.
#include "experiments/machine/nvml.h"

#include <dlfcn.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

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
  explicit Library(const std::string& file)
      : handle_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
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

const Library& library(const std::string& file) {
  static std::map<std::string, Library> known;
  return known.try_emplace(file, file).first->second;
}

/// What one library says of one card.
class Reader {
 public:
  Reader(const Library& library, Card card, json& out)
      : library_(library), card_(card), out_(out) {}

  void number(const char* key, const char* function, double scale = 1) {
    unsigned value = 0;
    if (library_.call<int (*)(Card, unsigned*)>(function, card_, &value)) out_[key] = value * scale;
  }
  /// Of a function that is told which of several it is asked for.
  void one_of(const char* key, const char* function, unsigned which) {
    unsigned value = 0;
    if (library_.call<int (*)(Card, unsigned, unsigned*)>(function, card_, which, &value))
      out_[key] = value;
  }
  void name() {
    char text[kNameBytes] = "";
    if (library_.call<int (*)(Card, char*, unsigned)>("nvmlDeviceGetName", card_, text, kNameBytes))
      out_["name"] = text;
  }
  void memory() {
    Memory memory{};
    if (!library_.call<int (*)(Card, Memory*)>("nvmlDeviceGetMemoryInfo", card_, &memory)) return;
    out_["memory_bytes"] = memory.total;
    out_["memory_used_bytes"] = memory.used;
  }
  /// By the newer of the function's two names, where the library has it.
  void reasons() {
    unsigned long long mask = 0;
    for (const char* function :
         {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"})
      if (library_.call<int (*)(Card, unsigned long long*)>(function, card_, &mask)) {
        out_["throttle_reasons"] = throttle_reasons(mask);
        return;
      }
  }

 private:
  const Library& library_;
  Card card_;
  json& out_;
};

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

int64_t card_number(int64_t index, const char* visible) {
  std::istringstream list(visible ? visible : "");
  int64_t place = 0;
  for (std::string entry; std::getline(list, entry, ','); ++place)
    if (place == index && !entry.empty() && entry.size() < 4 &&
        entry.find_first_not_of("0123456789") == std::string::npos)
      return std::stoll(entry);
  return index;
}

json nvml_state(int64_t index, const std::string& file) {
  using namespace nvml;
  json out = json::object();
  const Library& library = nvml::library(file);
  if (!library.usable()) return out;
  char driver[kNameBytes] = "";
  if (library.call<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion", driver, kNameBytes))
    out["driver"] = driver;
  Card card = nullptr;
  if (!library.call<int (*)(unsigned, Card*)>("nvmlDeviceGetHandleByIndex_v2",
                                              static_cast<unsigned>(index), &card))
    return out;
  Reader read(library, card, out);
  read.name();
  read.memory();
  read.one_of("sm_clock_mhz", "nvmlDeviceGetClockInfo", kSmClock);
  read.one_of("sm_clock_mhz_max", "nvmlDeviceGetMaxClockInfo", kSmClock);
  read.one_of("memory_clock_mhz", "nvmlDeviceGetClockInfo", kMemoryClock);
  read.one_of("memory_clock_mhz_max", "nvmlDeviceGetMaxClockInfo", kMemoryClock);
  read.one_of("temperature_c", "nvmlDeviceGetTemperature", kGpuTemperature);
  constexpr double kWattsPerMilliwatt = 1e-3;
  read.number("power_w", "nvmlDeviceGetPowerUsage", kWattsPerMilliwatt);
  read.number("power_cap_w", "nvmlDeviceGetEnforcedPowerLimit", kWattsPerMilliwatt);
  read.reasons();
  return out;
}

}  // namespace sublab
