// What `run` and `quick` share.
#pragma once

#include <string>
#include <vector>

#include "experiments/cli/command.h"
#include "experiments/run_study.h"

namespace sublab {

struct RunArguments {
  RunOptions options;
  std::vector<std::string> assignments;
  std::string shard = "1/1";
  bool as_json = false;
};

void add_run_options(CLI::App& command, RunArguments& arguments);

/// Prepares built-in sources that the study names and this machine lacks.
void prepare_corpora(const Study& study);

/// Runs the study of `file`, prints its table and returns the exit code.
int run_study_command(const fs::path& file, RunArguments arguments, const CommandContext& context);

}  // namespace sublab
