// Child processes: started by posix_spawn (a bare fork hangs once OpenMP has worked), read line by
// line, never left behind.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sublab {

/// How a process ended.
struct ExitState {
  int code = 0;    ///< exit status, when `signal` is 0
  int signal = 0;  ///< signal that killed it, or 0
};

class ChildProcess {
 public:
  /// Starts this very program with `arguments` and "--parent PID" (for die_with_parent); its
  /// standard input and output are pipes, standard error goes to the file `error_log`. Throws
  /// UserError when it cannot be started.
  ChildProcess(const std::vector<std::string>& arguments, const std::string& error_log);
  /// Kills the process when it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// The next line that the process prints, or nothing when it has closed its output.
  std::optional<std::string> read_line();
  /// Sends a line to the process. False when it is gone.
  bool write_line(const std::string& line);
  void kill_with(int signal);
  ExitState wait();
  /// Descriptor to poll for output.
  int output() const { return output_; }
  /// A whole line is waiting, or the output is closed.
  bool line_ready() const { return buffer_.find('\n') != std::string::npos; }

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1;
  bool waited_ = false;
  ExitState state_;
  std::string buffer_;
};

/// As long as it lives, a write to a child that is gone is an answer (false), not a signal;
/// standard output keeps the usual one before and after.
class IgnoreBrokenPipes {
 public:
  IgnoreBrokenPipes();
  ~IgnoreBrokenPipes();
  IgnoreBrokenPipes(const IgnoreBrokenPipes&) = delete;
  IgnoreBrokenPipes& operator=(const IgnoreBrokenPipes&) = delete;

 private:
  struct sigaction before_ {};
};

/// A file that may be run.
bool is_executable(const std::filesystem::path& path);
/// The executable of this name on PATH, or nothing.
std::optional<std::filesystem::path> find_program(const std::string& name);

/// Runs another program to its end: `arguments` begin with its path, or with its name on PATH. It
/// reads nothing; what it prints goes to the file `output`, standard error to `error_log`. Throws
/// UserError when it cannot be started.
ExitState run_program(const std::vector<std::string>& arguments, const std::string& error_log,
                      const std::string& output = "/dev/null");

/// Called by a child at its start: it is killed when `parent` dies, at once when that happened
/// before.
void die_with_parent(pid_t parent);

/// Processes of this machine, or of this container, that the kernel has killed for want of memory.
int64_t n_killed_for_memory();

}  // namespace sublab
