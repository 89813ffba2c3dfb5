// sublab quick: the built-in study.
#include "experiments/cli/run.h"
#include "experiments/machine/environment.h"

namespace sublab {

void add_quick_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("quick", "the built-in study, end to end, in minutes on a laptop CPU");
  command->footer("Example: sublab quick");
  auto arguments = std::make_shared<RunArguments>();
  add_run_options(*command, *arguments);
  command->callback([&context, arguments] {
    context.exit_code =
        run_study_command(shipped_folder("studies") / "quick.json", *arguments, context);
  });
}

}  // namespace sublab
