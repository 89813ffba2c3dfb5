#include <cstdlib>

#include "experiments/cli/run.h"

namespace sublab {

fs::path studies_folder() {
  const char* root = std::getenv("SUBLAB_ROOT");
  return fs::path(root && *root ? root : SUBLAB_SOURCE_ROOT) / "experiments/studies";
}

void add_quick_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("quick", "the built-in study, end to end, in minutes on a laptop CPU");
  command->footer("Example: sublab quick");
  auto arguments = std::make_shared<RunArguments>();
  add_run_options(*command, *arguments);
  command->callback([&context, arguments] {
    context.exit_code = run_study_command(studies_folder() / "quick.json", *arguments, context);
  });
}

}  // namespace sublab
