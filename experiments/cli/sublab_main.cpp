// Reads the command line, runs one command, turns errors into one line and an exit code.
#include "experiments/cli/sublab_main.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <new>

#include "core/build_info.h"
#include "core/error.h"
#include "core/hints.h"
#include "data/text/documents.h"
#include "experiments/cli/command.h"
#include "experiments/cli/usage.h"

namespace sublab {
namespace {

/// Every command, in the order that --help lists them.
constexpr void (*kCommands[])(CLI::App&, CommandContext&) = {
    add_quick_command,          add_run_command,     add_status_command,
    add_report_command,         add_samples_command, add_compare_command,
    add_verify_command,         add_claims_command,  add_audit_command,
    add_show_command,           add_list_command,    add_bench_command,
    add_train_command,          add_eval_command,    add_generate_command,
    add_inspect_command,        add_logits_command,  add_import_command,
    add_export_command,         add_corpus_command,  add_calibrate_command,
    add_import_results_command, add_doctor_command,  add_trial_command,
    add_bench_worker_command,
};

std::string version() {
  const BuildInfo& build = build_info();
  return "sublab " + build.commit.substr(0, 10) + (build.dirty ? " with changes" : "") + ", " +
         build.build_type + ", LibTorch " + build.libtorch_version + ", " + build.compiler;
}

/// A descriptor that was closed before we came would be that of the first file which we open, and
/// what we print would go into it.
void open_standard_streams() {
  for (const int fd : {0, 1, 2})
    if (::fcntl(fd, F_GETFD) < 0)
      ::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);  // writing to standard output fails
}

/// The exit code once everything is printed: output that got lost is an error.
int flush_output(int exit_code) {
  errno = 0;
  std::cout.flush();
  const bool printed = std::cout.good() && std::fflush(stdout) == 0 && !std::ferror(stdout);
  if (printed) return exit_code;
  std::cerr << "sublab: cannot write to standard output"
            << (errno ? std::string(": ") + std::strerror(errno) : "") << "\n";
  return exit_code == kDone ? kBadInput : exit_code;
}

int run(int argc, char** argv, const Catalog& catalog) {
  for (int i = 1; i < argc; ++i)  // they are printed as JSON and written into files
    if (invalid_utf8(argv[i]) != std::string::npos)
      throw UserError("argument " + std::to_string(i), "is not UTF-8");
  CLI::App app{"sublab: benchmark and ablate token-subsampling language models"};
  app.formatter(std::make_shared<HelpFormatter>());  // commands take it over
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of every command");
  app.set_version_flag("--version", version(), "commit, build and LibTorch of this program");
  CommandContext context{catalog, command_name()};
  for (int i = 1; i < argc; ++i) context.command_line += " " + shell_word(argv[i]);
  for (const auto add : kCommands) add(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    const std::string what = explain_usage_error(app, {argv + 1, argv + argc}, error.what());
    std::cerr << "sublab: " << what << " (try --help)\n";
    return kBadInput;
  }
  return context.exit_code;
}

/// Errors are one line and an exit code.
int run_and_catch(int argc, char** argv, const Catalog& catalog) {
  try {
    return run(argc, argv, catalog);
  } catch (const UserError& error) {
    std::cerr << "sublab: " << error.what() << "\n";
    return kBadInput;
  } catch (const std::filesystem::filesystem_error& error) {
    const bool named = !error.path1().empty();
    std::cerr << "sublab: " << (named ? error.path1().string() + ": " : "")
              << "cannot be reached: " << error.code().message() << "\n";
    return kBadInput;
  } catch (const std::bad_alloc&) {
    std::cerr << "sublab: out of memory\n";
    return kTrialsFailed;
  } catch (const std::exception& error) {
    std::string line = error.what();
    line = line.substr(0, line.find('\n'));
    std::cerr << "sublab: internal error: " << line << "\n";
    return kTrialsFailed;
  }
}

}  // namespace

int sublab_main(int argc, char** argv, const Catalog& catalog) {
  // Large tensors come and go every step; handing them back to the system each time costs page
  // faults.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk, not a crash
  open_standard_streams();
  if (argc > 0) ::setenv("SUBLAB_COMMAND", argv[0], /*overwrite=*/0);
  return flush_output(run_and_catch(argc, argv, catalog));
}

}  // namespace sublab
