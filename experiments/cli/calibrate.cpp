// sublab calibrate: this machine's matmul rate, bandwidth and launch cost.
#include "experiments/machine/calibrate.h"

#include <cstdio>
#include <iostream>

#include "experiments/cli/command.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/threads_option.h"

namespace sublab {

void add_calibrate_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand(
      "calibrate", "this machine's matmul rate, memory bandwidth and cost of a launch");
  command->footer("Example: sublab calibrate");
  auto as_json = std::make_shared<bool>(false);
  auto device = std::make_shared<at::Device>(at::kCPU);
  add_threads_option(*command);
  add_device_option(*command, *device);
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([as_json, device] {
    const json out = calibrate(*device).to_json();
    if (*as_json) {
      std::cout << out.dump(1) << "\n";
      return;
    }
    for (const auto& [name, value] : out.items())
      std::printf("%-44s %12.2f\n", name.c_str(), value.get<double>());
  });
}

}  // namespace sublab
