// --device.
#include "experiments/cli/device_option.h"

#include "core/fields.h"
#include "experiments/machine/device.h"

namespace sublab {
namespace {

/// Two options that say the same must agree.
void check_agrees(const std::string& given, const std::vector<std::string>& assignments) {
  for (const std::string& assignment : assignments) {
    if (!assignment.starts_with("train")) continue;
    json set = json::object();
    set_by_assignment(set, assignment);
    const json train = set.value("train", json());
    if (train.is_object() && train.contains("device") && train["device"] != given)
      throw UserError("--device", "'" + given + "' contradicts --set " + assignment);
  }
}

}  // namespace

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
        check_agrees(given, assignments);
        assignments.push_back("train.device=" + given);
      },
      "where models run, part of a trial's identity: cpu (default), cuda, cuda:N, or auto");
}

}  // namespace sublab
