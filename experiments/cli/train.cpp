// `sublab train`: one model without a study.
#include <cstdio>
#include <iostream>

#include "core/progress.h"
#include "core/schema/checkpoint_path.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/cli/command.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/threads_option.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/plan/resolve.h"
#include "experiments/run/trial.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

struct Arguments {
  std::string out;
  std::vector<std::string> assignments;
  int64_t seed = 1;
  bool as_json = false;
};

/// The folder that training starts from, or none. A wrong tokenizer is refused before data is made.
fs::path start_of(const TrialConfig& config, const Catalog& catalog) {
  if (config.train.from.empty()) return {};
  const fs::path folder = find_checkpoint(config.train.from);
  PlanContent content;
  add_content(config.data, content);
  check_from_tokenizer(identity_of(read_checkpoint_header(folder, catalog)),
                       planned_identity(config.data, content), config.train, "--set: /train");
  return folder;
}

/// Memory that does not do is the user's to mend: one line says what would.
Record train_once(const TrialConfig& config, const fs::path& from, const Arguments& arguments,
                  const Catalog& catalog, ProgressLine& progress) {
  const auto report = [&](const TrialProgress& p) {
    char text[120];
    std::snprintf(text, sizeof text, "%s, loss %.3f, %.0f tokens/s", p.stage.c_str(), p.loss,
                  p.tokens_per_s);
    if (!arguments.as_json) progress.show(p.done, p.loss > 0 ? text : p.stage);
  };
  try {
    return run_trial(config, arguments.seed,
                     {arguments.out, fs::path(arguments.out).string() + ".npz", from}, catalog,
                     report);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    throw UserError("train", "out of memory: " + out_of_memory_detail(error, config, catalog));
  }
}

void train(const Arguments& arguments, CommandContext& context) {
  json given = {{"model", json::object()},
                {"data", {{"corpus", {"foldoc", "jargon"}}}},
                {"train", json::object()},
                {"evaluate", {{{"task", "perplexity"}}}}};
  for (const std::string& assignment : arguments.assignments) set_by_assignment(given, assignment);
  const TrialConfig config = resolve_trial(given, "--set", context.catalog);
  if (fs::exists(arguments.out))
    throw UserError(arguments.out, "exists already; name a new folder");
  const fs::path from = start_of(config, context.catalog);
  ProgressLine progress;
  const Record record = train_once(config, from, arguments, context.catalog, progress);
  context.exit_code = record.outcome == "ok" ? kDone : kTrialsFailed;
  if (arguments.as_json) {
    std::cout << write_fields(record).dump(1) << "\n";
    return;
  }
  progress.note(record.outcome + (record.detail.empty() ? "" : ": " + record.detail));
  for (const Metric& metric : record.metrics)
    if (metric.value)
      std::printf("%-26s %.6g%s\n", metric.name.c_str(), *metric.value,
                  metric.conditions.empty() ? "" : ("  " + metric.conditions.dump()).c_str());
  std::printf("%-26s %s\n", "causality", record.audit.value("verdict", "not audited").c_str());
}

}  // namespace

void add_train_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("train", "train and evaluate one model; leaves a checkpoint");
  command->footer(
      "Example: sublab train ckpt/small --set model.architecture=subllm --set train.tokens=200000");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CKPT", arguments->out, "folder to make")->required();
  command->add_option("--set", arguments->assignments, "a setting, for example model.d_model=128")
      ->take_all();
  command->add_option("--seed", arguments->seed, "trial seed")->check(CLI::NonNegativeNumber);
  add_threads_option(*command);
  add_study_device_option(*command, arguments->assignments);
  command->add_flag("--json", arguments->as_json, "print the record as JSON");
  command->callback([&context, arguments] { train(*arguments, context); });
}

}  // namespace sublab
