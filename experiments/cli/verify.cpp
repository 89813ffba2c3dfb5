// `sublab verify`: whether a study's numbers follow from its raw data.
#include "analysis/verify.h"

#include <cstdio>
#include <iostream>
#include <optional>

#include "experiments/cli/command.h"
#include "experiments/run/rerun.h"

namespace sublab {
namespace {

json as_json(const NoiseFloor& noise) {
  return {{"changed", noise.changed},
          {"metric", noise.metric},
          {"conditions", noise.conditions},
          {"before", noise.before},
          {"now", noise.now},
          {"difference", noise.difference()},
          {"seed_spread", noise.seed_spread ? json(*noise.seed_spread) : json()}};
}

json as_json(const RerunResult& each) {
  json noise = json::array();
  for (const NoiseFloor& one : each.noise) noise.push_back(as_json(one));
  return {{"trial", each.trial},
          {"variant", each.variant},
          {"seed", each.seed},
          {"from_checkpoint", each.from_checkpoint},
          {"verdict", each.found.verdict()},
          {"same_machine", each.found.same_machine()},
          {"machine", each.found.machine},
          {"compared", each.found.numbers},
          {"arrays", each.found.arrays},
          {"audit_checks", each.found.checks},
          {"largest_difference", each.found.largest_difference},
          {"remarks", each.found.remarks},
          {"problems", each.found.problems},
          {"noise_floor", noise}};
}

json as_json(const Verification& found, const std::optional<RerunReport>& again) {
  json out = {{"records", found.records},
              {"unsealed", found.unsealed},
              {"missing", found.missing},
              {"arrays", found.arrays},
              {"left_out", found.left_out},
              {"derived", found.derived},
              {"report_files", found.report_files},
              {"problems", found.problems},
              {"reruns", json::array()}};
  if (!again) return out;
  out["trials_done"] = again->trials_done;
  out["plan"] = {{"problems", again->plan.problems}, {"remarks", again->plan.remarks}};
  for (const RerunResult& each : again->again) out["reruns"].push_back(as_json(each));
  return out;
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::printf("  %s\n", line.c_str());
}

void print(const NoiseFloor& noise) {
  std::printf("  rounding alone (%s) carries %s from %.6g to %.6g: %+.2g", noise.changed.c_str(),
              noise.metric.c_str(), noise.before, noise.now, noise.difference());
  if (noise.seed_spread) std::printf("; seeds spread by %.2g", *noise.seed_spread);
  std::printf("\n");
}

void print(const RerunReport& report) {
  if (report.plan.problems.empty())
    std::printf("the plan is what study.json resolves to\n");
  else
    std::printf("the plan is not what study.json resolves to\n");
  print_lines(report.plan.problems);
  print_lines(report.plan.remarks);
  for (const RerunResult& each : report.again) {
    std::printf(
        "%s, seed %ld (%s) again %s: %s (%ld numbers, largest relative difference %.2g, %ld "
        "arrays, %ld answers of the audit)\n",
        each.variant.c_str(), each.seed, each.trial.c_str(),
        each.from_checkpoint ? "from its checkpoint" : "from scratch", each.found.verdict().c_str(),
        each.found.numbers, each.found.largest_difference, each.found.arrays, each.found.checks);
    print_lines(each.found.machine);
    print_lines(each.found.problems);
    print_lines(each.found.remarks);
    for (const NoiseFloor& noise : each.noise) print(noise);
  }
  const auto drawn = static_cast<double>(report.again.size());
  std::printf(
      "%ld of %ld trials done again: one that was forged is among them with probability "
      "%.2f\n",
      static_cast<long>(drawn), report.trials_done,
      drawn / static_cast<double>(report.trials_done));
}

void print(const Verification& found, const std::optional<RerunReport>& again) {
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
  if (again) print(*again);
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
    RerunOptions rerun;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  arguments->rerun.n = 0;
  auto* rerun =
      command
          ->add_option("--rerun", arguments->rerun.n,
                       "also hold the plan against study.json, and do this many random trials "
                       "again, from their checkpoints or from scratch")
          ->check(CLI::NonNegativeNumber);
  command->add_option("--seed", arguments->rerun.seed, "draws the trials of --rerun")->needs(rerun);
  auto* scratch = command->add_flag("--from-scratch", arguments->rerun.from_scratch,
                                    "train them, also where their weights are there");
  scratch->needs(rerun);
  command
      ->add_flag("--noise-floor", arguments->rerun.noise_floor,
                 "train each twice more, with other threads and with other kernels: how far "
                 "rounding alone carries its result (from scratch)")
      ->needs(rerun);
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] {
    const Verification found = verify_study(arguments->folder);
    std::optional<RerunReport> again;
    arguments->rerun.from_scratch |= arguments->rerun.noise_floor;
    if (arguments->rerun.n > 0)
      again = rerun_trials(arguments->folder, arguments->rerun, context.catalog);
    const bool follows = found.problems.empty() && (!again || again->follows());
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
