// Stands in for the driver's libraries, libcuda and libnvidia-ml: a card that says what the test
// sets. Loaded at run time, as the real ones are.
#include <cstring>
#include <map>
#include <string>

namespace {

/// Not there: the function fails. Made on first use, since the library may be opened by two.
std::map<std::string, long>& numbers() {
  static std::map<std::string, long> all;
  return all;
}

int give(const char* key, unsigned* out) {
  const auto found = numbers().find(key);
  if (found == numbers().end()) return 3;  // not supported
  *out = static_cast<unsigned>(found->second);
  return 0;
}

}  // namespace

extern "C" {

/// Of the test's own: `clear` forgets all.
void fake_set(const char* key, long value) { numbers()[key] = value; }
void fake_clear() { numbers().clear(); }

int nvmlInit_v2() { return numbers().count("no_nvml") ? 9 : 0; }
int nvmlSystemGetDriverVersion(char* text, unsigned) {
  std::strcpy(text, "580.65");
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** card) {
  *card = reinterpret_cast<void*>(1);
  return index < 2 ? 0 : 2;
}
int nvmlDeviceGetName(void*, char* text, unsigned) {
  std::strcpy(text, "Fake H100");
  return 0;
}
int nvmlDeviceGetClockInfo(void*, unsigned type, unsigned* out) {
  return give(type == 1 ? "sm_clock" : "memory_clock", out);
}
int nvmlDeviceGetMaxClockInfo(void*, unsigned type, unsigned* out) {
  return give(type == 1 ? "sm_clock_max" : "memory_clock_max", out);
}
int nvmlDeviceGetTemperature(void*, unsigned, unsigned* out) { return give("temperature", out); }
int nvmlDeviceGetPowerUsage(void*, unsigned* out) { return give("power_mw", out); }
int nvmlDeviceGetEnforcedPowerLimit(void*, unsigned* out) { return give("power_cap_mw", out); }
/// The older name answers where the newer one is set to fail.
int nvmlDeviceGetCurrentClocksEventReasons(void*, unsigned long long* out) {
  unsigned value = 0;
  const int code = give("event_reasons", &value);
  *out = value;
  return code;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* out) {
  unsigned value = 0;
  const int code = give("throttle_reasons", &value);
  *out = value;
  return code;
}

int cuDriverGetVersion(int* version) {
  unsigned value = 0;
  const int code = give("cuda_version", &value);
  *version = static_cast<int>(value);
  return code;
}
int cuInit(unsigned) { return numbers().count("cu_init") ? numbers()["cu_init"] : 0; }
int cuGetErrorString(int, const char** text) {
  *text = "no CUDA-capable device is detected";
  return 0;
}
int cuDeviceGetCount(int* n) {
  unsigned value = 0;
  const int code = give("devices", &value);
  *n = static_cast<int>(value);
  return code;
}

}  // extern "C"
