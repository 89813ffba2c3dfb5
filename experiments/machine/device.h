// Where a model runs: --device of the command line, `device` of a study.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "core/fields.h"

namespace sublab {

/// The device that `given` names: "cpu", "cuda" (its first device), "cuda:N", or "auto" (CUDA where
/// there is a device, else the CPU). Throws UserError at `where` for another name, and where this
/// program or this machine has no such device.
at::Device find_device(const std::string& given, const std::string& where);

/// The same, or nothing where there is no such device. Throws UserError for another name.
std::optional<at::Device> present_device(const std::string& given);

/// The same as text, without asking whether there is one: "auto" becomes what it means here. Throws
/// UserError at `where` for another name.
std::string resolve_device(const std::string& given, const std::string& where);

/// What stands in identities and conditions: the kind, "cpu" or "cuda". Two cards of one kind share
/// it; which card it was stands in a record's environment.
std::string device_kind(at::Device device);
std::string device_kind(const std::string& resolved);

/// Waits until all work that was given to the device is done. Does nothing on the CPU.
void synchronize(at::Device device);

/// The card behind a CUDA device as a record's environment states it: name, memory, driver, clocks,
/// power cap and throttle reasons (these from NVML, where its library is present); null for the
/// CPU.
json card_state(at::Device device);

}  // namespace sublab
