// `sublab trial`: the process of one trial.
#include "experiments/run/trial.h"

#include <ATen/Parallel.h>

#include <iostream>

#include "core/process.h"
#include "experiments/cli/command.h"
#include "experiments/run/study_folder.h"

namespace sublab {

void add_trial_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("trial", "one trial of a study, in this process; started by `run`");
  command->group("");  // hidden
  auto folder = std::make_shared<std::string>();
  auto id = std::make_shared<std::string>();
  command->add_option("DIR", *folder, "study folder")->required();
  command->add_option("ID", *id, "trial id")->required();
  auto parent = std::make_shared<pid_t>(0);
  command->add_option("--parent", *parent, "process that started this one")->required();
  command->callback([&context, folder, id, parent] {
    die_with_parent(*parent);
    const TrialOrder order = read_trial_order(*folder, *id);
    if (order.threads > 0) at::set_num_threads(static_cast<int>(order.threads));
    const Record record =
        run_planned_trial(order, *folder, context.catalog, [](const TrialProgress& progress) {
          std::cout << write_fields(progress).dump() << std::endl;
        });
    write_record(record_path(*folder, order.trial), record);
  });
}

}  // namespace sublab
