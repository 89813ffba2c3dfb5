// sublab: reads the command line, runs one command, turns errors into one line and an exit code.
#include <malloc.h>
#include <signal.h>

#include <filesystem>
#include <iostream>
#include <new>

#include "core/error.h"
#include "data/documents.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

/// Every command, in the order that --help lists them.
constexpr void (*kCommands[])(CLI::App&, CommandContext&) = {
    add_quick_command,   add_run_command,      add_status_command,       add_report_command,
    add_compare_command, add_verify_command,   add_claims_command,       add_audit_command,
    add_show_command,    add_list_command,     add_bench_command,        add_train_command,
    add_eval_command,    add_generate_command, add_inspect_command,      add_logits_command,
    add_import_command,  add_export_command,   add_corpus_command,       add_calibrate_command,
    add_doctor_command,  add_trial_command,    add_bench_worker_command,
};

/// " word", quoted where a shell would take it apart.
std::string shell_word(const std::string& word) {
  const bool plain =
      word.find_first_of(" \t\n'\"\\$*?[]{}()<>|&;#~!`") == std::string::npos && !word.empty();
  if (plain) return " " + word;
  std::string quoted = " '";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

int run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)  // they are printed as JSON and written into files
    if (invalid_utf8(argv[i]) != std::string::npos)
      throw UserError("argument " + std::to_string(i), "is not UTF-8");
  CLI::App app{"sublab: benchmark and ablate token-subsampling language models"};
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of every command");
  const Catalog catalog = built_in_catalog();
  CommandContext context{catalog, "sublab"};
  for (int i = 1; i < argc; ++i) context.command_line += shell_word(argv[i]);
  for (const auto add : kCommands) add(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    if (argc > 1 && app.get_subcommands().empty()) {
      std::vector<std::string> names;
      for (const auto* command : app.get_subcommands({})) names.push_back(command->get_name());
      const std::string near = nearest_name(argv[1], names);
      if (!near.empty())
        what = std::string("unknown command '") + argv[1] + "'; did you mean '" + near + "'?";
    }
    std::cerr << "sublab: " << what << " (try --help)\n";
    return kBadInput;
  }
  return context.exit_code;
}

}  // namespace
}  // namespace sublab

int main(int argc, char** argv) {
  // Large tensors come and go every step; handing them back to the system each time costs page
  // faults.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk, not a crash
  try {
    return sublab::run(argc, argv);
  } catch (const sublab::UserError& error) {
    std::cerr << "sublab: " << error.what() << "\n";
    return sublab::kBadInput;
  } catch (const std::filesystem::filesystem_error& error) {
    const bool named = !error.path1().empty();
    std::cerr << "sublab: " << (named ? error.path1().string() + ": " : "")
              << "cannot be reached: " << error.code().message() << "\n";
    return sublab::kBadInput;
  } catch (const std::bad_alloc&) {
    std::cerr << "sublab: out of memory\n";
    return sublab::kTrialsFailed;
  } catch (const std::exception& error) {
    std::string line = error.what();
    line = line.substr(0, line.find('\n'));
    std::cerr << "sublab: internal error: " << line << "\n";
    return sublab::kTrialsFailed;
  }
}
