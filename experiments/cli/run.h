// What `run` and `quick` share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/cli/command.h"
#include "experiments/run/run_study.h"

namespace sublab {

struct RunArguments {
  RunOptions options;
  std::vector<std::string> assignments;
  std::optional<int64_t> threads;
  std::string shard = "1/1";
  bool as_json = false;
};

void add_run_options(CLI::App& command, RunArguments& arguments);

/// --threads of a study, which goes into its plan.
void add_study_threads_option(CLI::App& command, RunArguments& arguments);

/// --replan: see PlanOptions.
void add_replan_option(CLI::App& command, RunArguments& arguments);

/// The file that a command's STUDY names: a path, or a study that comes with the program ("quick").
/// Throws UserError when it is neither.
fs::path study_file(const std::string& given);

/// Prepares built-in sources that the study names and this machine lacks; what hangs on their
/// content is then resolved anew.
void prepare_corpora(ResolvedStudy& resolved, const Catalog& catalog);

/// Throws UserError where a trial asks for a device that is not there.
void check_devices(const ResolvedStudy& resolved);

/// Runs the study of `file`, prints its table and returns the exit code.
int run_study_command(const fs::path& file, RunArguments arguments, const CommandContext& context);

}  // namespace sublab
