#include "experiments/run/run_study.h"

#include <ATen/Parallel.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "core/process.h"
#include "core/progress.h"
#include "core/schema/metrics.h"
#include "experiments/measure/measure.h"
#include "experiments/run/trial.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

volatile sig_atomic_t g_interrupted = 0;  // set by SIGINT and SIGTERM alone

void on_interrupt(int) { g_interrupted = 1; }

std::string label(const PlannedTrial& trial) {
  std::string text = trial.variant;
  if (!trial.probe.empty()) text += " (" + trial.probe + ")";
  return text + ", seed " + std::to_string(trial.seed);
}

/// The last line that a child left on its standard error.
std::string last_line(const fs::path& path) {
  if (!fs::exists(path)) return "";
  std::string text = read_file(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
}

/// ", loss_nats 4.5678": the headline's loss, and every accuracy.
std::string headline_text(const Record& record) {
  std::string out;
  for (const Metric& metric : record.metrics) {
    const bool of_headline =
        metric.name == metric::kLossNats && metric.evaluation == record.headline();
    if (!metric.value || !(of_headline || metric::is_accuracy(metric.name))) continue;
    char number[120];
    std::snprintf(number, sizeof number, ", %s %.4f", metric.name.c_str(), *metric.value);
    out += number;
  }
  return out;
}

/// One trial that runs in a process of its own.
struct Running {
  PlannedTrial trial;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<ChildProcess> process;
  fs::path error_log;
  int64_t n_killed_before;  ///< n_killed_for_memory() at its start
  TrialProgress progress;
};

class Runner {
 public:
  Runner(const Plan& plan, const RunOptions& options, ProgressLine& progress)
      : plan_(plan), options_(options), progress_(progress) {}

  RunSummary run(const std::vector<PlannedTrial>& trials) {
    std::vector<PlannedTrial> waiting;
    for (size_t i = 0; i < trials.size(); ++i) {
      if (origin_of(trials, i) % options_.n_shards != options_.shard - 1) continue;
      ++summary_.matched;
      if (trial_state(options_.out, trials[i]) == "done")
        ++summary_.skipped;
      else
        waiting.push_back(trials[i]);
    }
    total_ = waiting.size();
    while ((!waiting.empty() || !running_.empty()) && !g_interrupted) {
      while (running_.size() < static_cast<size_t>(options_.jobs)) {
        const auto next =
            std::find_if(waiting.begin(), waiting.end(),
                         [&](const PlannedTrial& trial) { return may_start(trial, waiting); });
        if (next == waiting.end()) break;
        const PlannedTrial trial = *next;
        waiting.erase(next);
        start(trial);
      }
      listen();
    }
    for (auto& running : running_) running.process->kill_with(SIGKILL);
    summary_.interrupted = g_interrupted != 0;
    return summary_;
  }

 private:
  /// Place of the trial that the parents of `trials[i]` lead back to: a chain is one shard's.
  static int64_t origin_of(const std::vector<PlannedTrial>& trials, size_t i) {
    for (size_t p = 0; p < i; ++p)
      if (trials[p].id == trials[i].from) return origin_of(trials, p);
    return static_cast<int64_t>(i);
  }

  /// A trial waits for the one that it starts from, which this process or another one runs.
  bool may_start(const PlannedTrial& trial, const std::vector<PlannedTrial>& waiting) const {
    const PlannedTrial* parent = plan_.find(trial.from);
    if (!parent || trial_state(options_.out, *parent) == "done") return true;
    const auto is_parent = [&](const PlannedTrial& other) { return other.id == parent->id; };
    if (std::any_of(waiting.begin(), waiting.end(), is_parent)) return false;
    return std::none_of(running_.begin(), running_.end(),
                        [&](const Running& other) { return is_parent(other.trial); }) &&
           trial_state(options_.out, *parent) != "running";
  }

  /// An outcome that is known without running anything.
  void conclude(const PlannedTrial& trial, const std::string& outcome, const std::string& detail) {
    Record record;
    record.id = trial.id;
    record.train_id = trial.train_id;
    record.study = plan_.study;
    record.variant = trial.variant;
    record.probe = trial.probe;
    record.seed = trial.seed;
    record.config = trial.config;
    record.outcome = outcome;
    record.detail = detail;
    write_record(record_path(options_.out, trial), record);
  }

  void start(const PlannedTrial& trial) {
    const PlannedTrial* parent = plan_.find(trial.from);
    if (parent && trial_state(options_.out, *parent) != "done") {
      conclude(trial, "cancelled", label(*parent) + ", which it starts from, has not ended well");
      report(trial);
      return;
    }
    auto lock = std::make_unique<FileLock>(trial_lock_path(options_.out, trial), /*wait=*/false);
    // Another process has it, or had it and finished meanwhile.
    if (!lock->held() || trial_state(options_.out, trial) == "done") {
      ++finished_;
      return;
    }
    fs::remove(
        record_path(options_.out, trial));  // of an attempt that failed; not this one's outcome
    Running running{trial,
                    std::move(lock),
                    nullptr,
                    options_.out / "work" / (trial.id + ".log"),
                    n_killed_for_memory(),
                    {}};
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
    double done = static_cast<double>(finished_);
    for (const Running& each : running_)
      done += each.progress.stage == "train"  ? 0.85 * each.progress.done
              : each.progress.stage == "data" ? 0
                                              : 0.9;
    char text[200];
    const TrialProgress& p = running.progress;
    std::snprintf(text, sizeof text, "%zu/%zu  %s: %s %.0f%%", finished_ + 1, total_,
                  label(running.trial).c_str(), p.stage.c_str(), 100 * p.done);
    std::string shown = text;
    if (p.loss > 0) {
      std::snprintf(text, sizeof text, ", loss %.3f, %.0f tokens/s", p.loss, p.tokens_per_s);
      shown += text;
    }
    if (!options_.quiet) progress_.show(done / static_cast<double>(total_), shown);
  }

  void finish(Running& running) {
    const ExitState exit = running.process->wait();
    if (g_interrupted) return;
    if (exit.code == 2 && exit.signal == 0) {
      std::string line = last_line(running.error_log);
      if (line.starts_with("sublab: ")) line.erase(0, 8);
      throw UserError(line);
    }
    const fs::path path = record_path(options_.out, running.trial);
    if (exit.signal != 0 || !fs::exists(path)) {
      const bool starved =
          exit.signal == SIGKILL && n_killed_for_memory() > running.n_killed_before;
      conclude(running.trial, starved ? "out_of_memory" : "crashed",
               exit.signal
                   ? "signal " + std::to_string(exit.signal) + " (" + ::strsignal(exit.signal) + ")"
                   : last_line(running.error_log));
    }
    report(running.trial);
  }

  /// Counts and prints how a trial ended.
  void report(const PlannedTrial& trial) {
    const Record record = read_record(record_path(options_.out, trial));
    const bool ok = record.outcome == "ok";
    ok ? ++summary_.done : ++summary_.failed;
    ++finished_;
    std::string text = label(trial) + ": " + record.outcome +
                       (record.detail.empty() ? "" : " (" + record.detail + ")");
    text += headline_text(record);
    if (!options_.quiet) progress_.note(text);
  }

  const Plan& plan_;
  const RunOptions& options_;
  ProgressLine& progress_;
  RunSummary summary_;
  std::vector<Running> running_;
  size_t finished_ = 0, total_ = 0;
};

/// Trials that the options ask for, with those that they start from before them.
std::vector<PlannedTrial> chosen(const Plan& plan, const RunOptions& options, bool tuning) {
  std::set<std::string> wanted;
  for (const PlannedTrial& trial : plan.trials)
    if ((trial.probe == "tune") == tuning &&
        ::fnmatch(options.only.c_str(), trial.variant.c_str(), 0) == 0)
      for (const PlannedTrial* each = &trial; each; each = plan.find(each->from))
        wanted.insert(each->id);
  std::vector<PlannedTrial> out;
  for (const PlannedTrial& trial : plan.trials)  // two variants may resolve to one trial
    if (wanted.erase(trial.id)) out.push_back(trial);
  return out;
}

void add_to(RunSummary& total, const RunSummary& part) {
  total.done += part.done;
  total.skipped += part.skipped;
  total.failed += part.failed;
  total.matched += part.matched;
  total.interrupted = total.interrupted || part.interrupted;
}

/// A write to a child that is gone is an answer, not a signal; standard output keeps the usual one.
class IgnoreBrokenPipes {
 public:
  IgnoreBrokenPipes() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before_);
  }
  ~IgnoreBrokenPipes() { ::sigaction(SIGPIPE, &before_, nullptr); }
  IgnoreBrokenPipes(const IgnoreBrokenPipes&) = delete;
  IgnoreBrokenPipes& operator=(const IgnoreBrokenPipes&) = delete;

 private:
  struct sigaction before_ {};
};

RunSummary list_trials(const Plan& plan, const RunOptions& options) {
  RunSummary summary;
  for (const bool tuning : {true, false})
    for (const PlannedTrial& trial : chosen(plan, options, tuning)) {
      ++summary.matched;
      std::printf("%s  %-8s %s\n", trial.id.c_str(), trial_state(options.out, trial).c_str(),
                  label(trial).c_str());
    }
  return summary;
}

}  // namespace

RunSummary run_study(const Study& study, const RunOptions& options, const Catalog& catalog) {
  const PlanOptions planning{options.replan, false};
  if (options.dry_run)
    return list_trials(preview_plan(study, options.out, catalog, planning), options);
  const ActiveRun active(options.out);
  Plan plan = settle_plan(study, options.out, catalog, active, planning);
  at::set_num_threads(static_cast<int>(plan.threads));
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  const IgnoreBrokenPipes pipes;
  ProgressLine progress;
  RunSummary total;
  add_to(total, Runner(plan, options, progress).run(chosen(plan, options, true)));
  if (total.interrupted) return total;
  // The tuned rates are known now: the plan is completed with the main trials.
  if (!study.tune.key.empty()) plan = settle_plan(study, options.out, catalog, active, planning);
  add_to(total, Runner(plan, options, progress).run(chosen(plan, options, false)));
  if (total.interrupted || total.matched == 0 || options.only != "*" || options.n_shards > 1)
    return total;
  ProgressLine speed;
  if (study.has_measure)
    total.interrupted =
        !measure_study(plan, options.out, catalog, speed, [] { return g_interrupted != 0; });
  return total;
}

}  // namespace sublab
