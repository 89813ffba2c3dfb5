// The processes of a run: started, listened to, and what is recorded of one that left nothing.
#include "experiments/run/runner.h"

#include <poll.h>
#include <signal.h>

#include <cstring>
#include <memory>
#include <set>

#include "core/process.h"
#include "core/schema/trial_order.h"
#include "experiments/run/run_report.h"
#include "experiments/run/study_folder.h"
#include "experiments/run/trial_queue.h"

namespace sublab {
namespace {

volatile sig_atomic_t g_interrupted = 0;  // set by SIGINT and SIGTERM alone

void on_interrupt(int) { g_interrupted = 1; }

/// The last line that a child left on its standard error.
std::string last_line(const fs::path& path) {
  if (!fs::exists(path)) return "";
  std::string text = read_file(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
}

/// The record of a trial that wrote none.
Record record_of(const Plan& plan, const PlannedTrial& trial, const std::string& outcome,
                 const std::string& detail) {
  Record record;
  record.id = trial.id;
  record.train_id = trial.train_id;
  record.study = plan.study;
  record.variant = trial.variant;
  record.probe = trial.probe;
  record.seed = trial.seed;
  record.config = trial.config;
  record.outcome = outcome;
  record.detail = detail;
  return record;
}

/// One trial that runs in a process of its own.
struct Running {
  const PlannedTrial* trial;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<ChildProcess> process;
  fs::path error_log;
  int64_t n_killed_before;  ///< n_killed_for_memory() at its start
  TrialProgress progress;
};

class Runner {
 public:
  Runner(const Plan& plan, const RunOptions& options, ProgressLine& progress)
      : plan_(plan), options_(options), report_(options, progress, summary_) {}

  RunSummary run(const std::vector<const PlannedTrial*>& trials) {
    TrialQueue queue(plan_, trials, options_, summary_);
    report_.set_total(queue.size());
    while ((queue.size() > 0 || !running_.empty()) && !g_interrupted) {
      while (running_.size() < static_cast<size_t>(options_.jobs)) {
        const PlannedTrial* next = queue.take(running_ids());
        if (!next) break;
        start(*next);
      }
      listen();
    }
    for (auto& running : running_) running.process->kill_with(SIGKILL);
    summary_.interrupted = g_interrupted != 0;
    return summary_;
  }

 private:
  std::set<std::string> running_ids() const {
    std::set<std::string> ids;
    for (const Running& running : running_) ids.insert(running.trial->id);
    return ids;
  }

  /// An outcome that is known without running anything.
  void conclude(const PlannedTrial& trial, const std::string& outcome, const std::string& detail) {
    write_record(record_path(options_.out, trial), record_of(plan_, trial, outcome, detail));
  }

  void start(const PlannedTrial& trial) {
    const PlannedTrial* parent = plan_.find(trial.from);
    if (parent && trial_state(options_.out, *parent) != "done") {
      conclude(trial, "cancelled", parent->label() + ", which it starts from, has not ended well");
      report_.ended(trial);
      return;
    }
    auto lock = std::make_unique<FileLock>(trial_lock_path(options_.out, trial), /*wait=*/false);
    // Another process has it, or had it and finished meanwhile.
    if (!lock->held() || trial_state(options_.out, trial) == "done") {
      report_.done_elsewhere();
      return;
    }
    // Of an attempt that failed; not this one's outcome.
    fs::remove(record_path(options_.out, trial));
    write_trial_order(options_.out, order_of(plan_, trial));
    Running running{.trial = &trial,
                    .lock = std::move(lock),
                    .process = nullptr,
                    .error_log = options_.out / "work" / (trial.id + ".log"),
                    .n_killed_before = n_killed_for_memory(),
                    .progress = {}};
    running.process = std::make_unique<ChildProcess>(
        std::vector<std::string>{"trial", options_.out.string(), trial.id},
        running.error_log.string());
    running_.push_back(std::move(running));
  }

  void listen() {
    std::vector<pollfd> polls;
    for (const Running& running : running_) polls.push_back({running.process->output(), POLLIN, 0});
    if (::poll(polls.data(), polls.size(), 500) <= 0) return;
    for (size_t i = polls.size(); i-- > 0;) {
      if (!(polls[i].revents & (POLLIN | POLLHUP))) continue;
      bool open = true;
      do {
        const auto line = running_[i].process->read_line();
        open = line.has_value();
        if (open) update(running_[i], *line);
      } while (open && running_[i].process->line_ready());
      if (open) continue;
      finish(running_[i]);
      running_.erase(running_.begin() + static_cast<long>(i));
    }
  }

  void update(Running& running, const std::string& line) {
    const json parsed = json::parse(line, nullptr, false);
    if (parsed.is_discarded() || !parsed.is_object()) return;
    read_fields(parsed, "trial", running.progress);
    std::vector<TrialProgress> all;
    for (const Running& each : running_) all.push_back(each.progress);
    report_.show(*running.trial, running.progress, all);
  }

  void finish(Running& running) {
    const ExitState exit = running.process->wait();
    if (g_interrupted) return;
    if (exit.code == 2 && exit.signal == 0) {
      std::string line = last_line(running.error_log);
      if (line.starts_with("sublab: ")) line.erase(0, 8);
      throw UserError(line);
    }
    if (exit.signal != 0 || !fs::exists(record_path(options_.out, *running.trial))) {
      const bool starved =
          exit.signal == SIGKILL && n_killed_for_memory() > running.n_killed_before;
      conclude(*running.trial, starved ? "out_of_memory" : "crashed",
               exit.signal
                   ? "signal " + std::to_string(exit.signal) + " (" + ::strsignal(exit.signal) + ")"
                   : last_line(running.error_log));
    }
    report_.ended(*running.trial);
  }

  const Plan& plan_;
  const RunOptions& options_;
  RunSummary summary_;
  RunReport report_;
  std::vector<Running> running_;
};

}  // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return g_interrupted != 0; }

RunSummary run_trials(const Plan& plan, const std::vector<const PlannedTrial*>& trials,
                      const RunOptions& options, ProgressLine& progress) {
  return Runner(plan, options, progress).run(trials);
}

}  // namespace sublab
