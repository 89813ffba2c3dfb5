#include <iostream>

#include "analysis/report.h"
#include "experiments/cli/run.h"
#include "experiments/measure.h"
#include "experiments/resolve.h"

namespace sublab {
namespace {

void bench(const std::string& file, RunArguments arguments, CommandContext& context) {
  const Study study = read_study(file, arguments.assignments);
  if (!study.has_measure)
    throw UserError(file + ": /base/measure", "is missing; there is nothing to measure");
  const fs::path out =
      arguments.options.out.empty() ? fs::path("results") / study.name : arguments.options.out;
  std::map<std::string, double> rates;
  if (!study.tune.key.empty())  // speed does not depend on the rate; any will do
    for (const Variant& variant : study.variants)
      rates[variant.name] = study.tune.values.front().get<double>();
  const bool planned = fs::exists(out / "plan.json");
  const Plan plan = planned ? read_plan(out) : resolve_study(study, context.catalog, rates);
  make_writable_folder(out / "work");
  if (!planned) write_plan(out, plan);
  prepare_corpora(study);
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
  command->add_option("STUDY", *file, "study file")->required();
  command->add_option("--out", arguments->options.out, "results folder; default results/<study>");
  command->add_option("--set", arguments->assignments, "change the base")->take_all();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, file, arguments] { bench(*file, *arguments, context); });
}

}  // namespace sublab
