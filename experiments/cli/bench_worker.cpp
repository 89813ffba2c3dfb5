// `sublab bench-worker`: the process of one variant whose speed is measured.
#include <ATen/Parallel.h>

#include "core/process.h"
#include "experiments/cli/command.h"
#include "experiments/measure/measure.h"

namespace sublab {

void add_bench_worker_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("bench-worker", "one variant, resident; started by `bench`");
  command->group("");  // hidden
  auto folder = std::make_shared<std::string>();
  auto id = std::make_shared<std::string>();
  command->add_option("DIR", *folder, "study folder")->required();
  command->add_option("ID", *id, "trial id")->required();
  auto parent = std::make_shared<pid_t>(0);
  command->add_option("--parent", *parent, "process that started this one")->required();
  auto budget = std::make_shared<double>(0);
  command->add_option("--memory-budget", *budget,
                      "bytes of tensors, weights included; 0 = no limit");
  command->callback([&context, folder, id, parent, budget] {
    die_with_parent(*parent);
    const TrialOrder order = read_trial_order(*folder, *id);
    if (order.threads > 0) at::set_num_threads(static_cast<int>(order.threads));
    serve_rounds(order, *folder, context.catalog, *budget);
  });
}

}  // namespace sublab
