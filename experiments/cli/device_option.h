// --device of the commands that run a model.
#pragma once

#include <ATen/ATen.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sublab {

/// The model of this process stands on `device`. Throws UserError while options are read where
/// there is no such device.
void add_device_option(CLI::App& command, at::Device& device);

/// The same as an assignment to a study's base: train.device.
void add_study_device_option(CLI::App& command, std::vector<std::string>& assignments);

}  // namespace sublab
