// What the driver's management library says of a card. Loaded at run time: a machine without it, or
// without a card, has nothing to say.
#pragma once

#include <cstdint>

#include "core/fields.h"

namespace sublab {

/// name, driver, memory_bytes, memory_used_bytes (of all processes), sm_clock_mhz,
/// sm_clock_mhz_max, memory_clock_mhz, memory_clock_mhz_max, temperature_c, power_w, power_cap_w
/// and throttle_reasons (names; empty = none) of card `index`, as far as the library of this file
/// name knows them; an empty object where there is none. Counts all cards of the machine: one that
/// is hidden from CUDA (CUDA_VISIBLE_DEVICES) has its number all the same.
json nvml_state(int64_t index, const std::string& file = "libnvidia-ml.so.1");

/// The number that the library has for CUDA's device `index`, where `visible`
/// (CUDA_VISIBLE_DEVICES; null = not set) lists cards by number; `index` itself for other lists.
int64_t card_number(int64_t index, const char* visible);

/// Names of the reasons in the bit mask of nvmlDeviceGetCurrentClocksEventReasons.
std::vector<std::string> throttle_reasons(uint64_t mask);

}  // namespace sublab
