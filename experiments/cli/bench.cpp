// `sublab bench`: speed and memory of a study.
#include <ATen/Parallel.h>

#include <iostream>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/run.h"
#include "experiments/measure/measure_study.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

void bench(const fs::path& file, RunArguments arguments, CommandContext& context) {
  const Study study = read_study(file, arguments.assignments, arguments.threads);
  if (!study.has_measure)
    throw UserError(file.string() + ": /base/measure", "is missing; there is nothing to measure");
  const fs::path out =
      arguments.options.out.empty() ? fs::path("results") / study.name : arguments.options.out;
  ResolvedStudy resolved = resolve_study(study, context.catalog);
  check_devices(resolved);
  prepare_corpora(resolved, context.catalog);
  const ActiveRun active(out);
  const Plan plan = settle_plan(resolved, out, context.catalog, active,
                                {.replan = arguments.options.replan, .any_rate = true});
  at::set_num_threads(static_cast<int>(plan.threads));
  ProgressLine progress;
  measure_study(plan, out, context.catalog, progress);
  Report report;
  add_bench_report(out, report);
  std::cout << (arguments.as_json ? report_as_json(report) : report_as_markdown(report));
}

}  // namespace

void add_bench_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("bench", "speed and memory of a study's variants only, interleaved");
  command->footer(
      "Uses the checkpoints in the results folder; without them keeps are forced and marked "
      "`assumed`.\n"
      "Example: sublab bench experiments/studies/quick.json");
  auto file = std::make_shared<std::string>();
  auto arguments = std::make_shared<RunArguments>();
  command->add_option("STUDY", *file, "study file, or the name of one that comes with the program")
      ->required();
  command->add_option("--out", arguments->options.out, "results folder; default results/<study>");
  command->add_option("--set", arguments->assignments, "change the base")->take_all();
  add_study_threads_option(*command, *arguments);
  add_study_device_option(*command, arguments->assignments);
  add_replan_option(*command, *arguments);
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, file, arguments] { bench(study_file(*file), *arguments, context); });
}

}  // namespace sublab
