// --device.
#include "experiments/cli/device_option.h"

#include "experiments/machine/device.h"

namespace sublab {

void add_device_option(CLI::App& command, at::Device& device) {
  command.add_option_function<std::string>(
      "--device", [&device](const std::string& given) { device = find_device(given, "--device"); },
      "where the model runs: cpu (default), cuda, cuda:N, or auto");
}

void add_study_device_option(CLI::App& command, std::vector<std::string>& assignments) {
  command.add_option_function<std::string>(
      "--device",
      [&assignments](const std::string& given) {
        find_device(given, "--device");
        assignments.push_back("train.device=" + given);
      },
      "where models run, part of a trial's identity: cpu (default), cuda, cuda:N, or auto");
}

}  // namespace sublab
