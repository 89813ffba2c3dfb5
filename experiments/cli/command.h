// The convention of the command line: one file per command, each adds itself to the app.
#pragma once

#include <CLI/CLI.hpp>

#include "experiments/catalog.h"

namespace sublab {

/// What a command returns to the shell.
enum ExitCode : int {
  kDone = 0,
  kTrialsFailed = 1,
  kBadInput = 2,
  kNothingMatched = 3,
  kCheckFailed = 4,
  kInterrupted = 130
};

/// Handed to every command: what it may use, and where its exit code goes.
struct CommandContext {
  const Catalog& catalog;
  std::string command_line;  ///< as the user gave it, to be named in hints
  int exit_code = kDone;
};

// Each is defined in the file of its name; its callback sets context.exit_code and may throw
// UserError (printed as one line by main, exit 2). Every command has --json and an example in
// --help.
void add_audit_command(CLI::App& app, CommandContext& context);
void add_bench_command(CLI::App& app, CommandContext& context);
void add_calibrate_command(CLI::App& app, CommandContext& context);
void add_claims_command(CLI::App& app, CommandContext& context);
void add_compare_command(CLI::App& app, CommandContext& context);
void add_corpus_command(CLI::App& app, CommandContext& context);
void add_doctor_command(CLI::App& app, CommandContext& context);
void add_eval_command(CLI::App& app, CommandContext& context);
void add_export_command(CLI::App& app, CommandContext& context);
void add_generate_command(CLI::App& app, CommandContext& context);
void add_import_command(CLI::App& app, CommandContext& context);
void add_import_results_command(CLI::App& app, CommandContext& context);
void add_inspect_command(CLI::App& app, CommandContext& context);
void add_list_command(CLI::App& app, CommandContext& context);
void add_logits_command(CLI::App& app, CommandContext& context);
void add_quick_command(CLI::App& app, CommandContext& context);
void add_report_command(CLI::App& app, CommandContext& context);
void add_run_command(CLI::App& app, CommandContext& context);
void add_samples_command(CLI::App& app, CommandContext& context);
void add_show_command(CLI::App& app, CommandContext& context);
void add_status_command(CLI::App& app, CommandContext& context);
void add_train_command(CLI::App& app, CommandContext& context);
void add_verify_command(CLI::App& app, CommandContext& context);
/// Hidden: one trial of a study in a process of its own, started by `run`.
void add_trial_command(CLI::App& app, CommandContext& context);
/// Hidden: one variant resident in a process of its own, granted rounds by `bench`.
void add_bench_worker_command(CLI::App& app, CommandContext& context);

}  // namespace sublab
