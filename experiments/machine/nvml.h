// What the driver's management library says of a card. Loaded at run time: a machine without it, or
// without a card, has nothing to say.
#pragma once

#include <cstdint>

#include "core/fields.h"

namespace sublab {

/// name, driver, memory_bytes, memory_used_bytes (of all processes), sm_clock_mhz,
/// sm_clock_mhz_max, memory_clock_mhz, temperature_c, power_w, power_cap_w and throttle_reasons
/// (names; empty = none) of card `index`, as far as the library knows them; an empty object where
/// there is no library.
json nvml_state(int64_t index);

/// Names of the reasons in a bit mask of nvmlDeviceGetCurrentClocksThrottleReasons.
std::vector<std::string> throttle_reasons(uint64_t mask);

}  // namespace sublab
