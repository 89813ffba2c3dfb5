// `sublab verify`: whether a study's numbers follow from its raw data.
#include "analysis/verify.h"

#include <cstdio>
#include <iostream>

#include "experiments/cli/command.h"
#include "experiments/run/rerun.h"

namespace sublab {
namespace {

json as_json(const Verification& found, const std::vector<RerunResult>& again) {
  json reruns = json::array();
  for (const RerunResult& each : again)
    reruns.push_back({{"trial", each.trial},
                      {"variant", each.variant},
                      {"seed", each.seed},
                      {"from_checkpoint", each.from_checkpoint},
                      {"same_machine", each.same_machine},
                      {"compared", each.compared},
                      {"largest_difference", each.largest_difference},
                      {"problems", each.problems}});
  return {{"records", found.records},
          {"unsealed", found.unsealed},
          {"missing", found.missing},
          {"arrays", found.arrays},
          {"left_out", found.left_out},
          {"derived", found.derived},
          {"report_files", found.report_files},
          {"problems", found.problems},
          {"reruns", reruns}};
}

void print(const Verification& found, const std::vector<RerunResult>& again) {
  std::printf(
      "%ld digests (plan, records, measurement) and %ld arrays held against what was written; %ld "
      "metrics computed anew; %ld report files built anew\n",
      found.records, found.arrays, found.derived, found.report_files);
  if (found.left_out > 0)
    std::printf("%ld arrays were not kept, as the policy has it\n", found.left_out);
  if (found.unsealed > 0)
    std::printf(
        "%ld files were written before there were digests: only what follows from other files was "
        "checked of them\n",
        found.unsealed);
  if (found.missing > 0) std::printf("%ld planned trials have no record\n", found.missing);
  for (const RerunResult& each : again) {
    std::printf("%s, seed %ld (%s) again %s: %ld numbers, largest relative difference %.2g%s\n",
                each.variant.c_str(), each.seed, each.trial.c_str(),
                each.from_checkpoint ? "from its checkpoint" : "from scratch", each.compared,
                each.largest_difference,
                each.same_machine ? "" : " (another machine: 1e-3 is allowed)");
    for (const std::string& problem : each.problems) std::printf("  %s\n", problem.c_str());
  }
  for (const std::string& problem : found.problems) std::printf("%s\n", problem.c_str());
}

}  // namespace

void add_verify_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand(
      "verify", "derive every number of a study's report from its raw data again");
  command->footer(
      "Exits with 4 when something does not follow.\n"
      "Example: sublab verify results/retention --rerun 2");
  struct Arguments {
    std::string folder;
    int64_t rerun = 0;
    uint64_t seed = 1;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  command
      ->add_option("--rerun", arguments->rerun,
                   "also do this many random trials again, from their checkpoints or from scratch")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--seed", arguments->seed, "draws the trials of --rerun");
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] {
    const Verification found = verify_study(arguments->folder);
    std::vector<RerunResult> again;
    if (arguments->rerun > 0)
      again = rerun_trials(arguments->folder, arguments->rerun, arguments->seed);
    bool follows = found.problems.empty();
    for (const RerunResult& each : again) follows = follows && each.problems.empty();
    if (arguments->as_json)
      std::cout << as_json(found, again).dump(1) << "\n";
    else
      print(found, again);
    if (!arguments->as_json)
      std::printf(follows ? "everything follows\n" : "something does not follow\n");
    if (!follows) context.exit_code = kCheckFailed;
  });
}

}  // namespace sublab
