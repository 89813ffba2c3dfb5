// The processes that serve rounds, as the measuring side sees them (experiments/measure/measure.h).
#include <poll.h>

#include <csignal>
#include <sstream>

#include "experiments/machine/tensor_memory.h"
#include "experiments/measure/measure.h"

namespace sublab {
namespace bench_process {

RoundResult out_of_memory(const std::string& detail) {
  RoundResult out;
  out.outcome = "out_of_memory";
  out.detail = detail;
  return out;
}

void wait_for_line(const ChildProcess& process, const std::function<void()>& while_waiting) {
  constexpr int kTenthOfASecond = 100;
  pollfd output{process.output(), POLLIN, 0};
  while (!process.line_ready() && ::poll(&output, 1, kTenthOfASecond) == 0) while_waiting();
}

/// What a process that was aborted said last: memory that runs out where no exception may pass.
std::string last_line(const fs::path& log) {
  std::istringstream in(fs::exists(log) ? read_file(log) : "");
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

}  // namespace bench_process

std::vector<const PlannedTrial*> measured_trials(const Plan& plan) {
  std::vector<const PlannedTrial*> out;
  for (const PlannedTrial& trial : plan.trials)
    if (trial.probe.empty() && trial.seed == plan.seeds.front()) out.push_back(&trial);
  return out;
}

BenchWorker::BenchWorker(const Plan& plan, const PlannedTrial& trial, const fs::path& study_folder,
                         const std::string& log_name, double memory_budget_bytes)
    : trial_(trial), log_(study_folder / "work" / (log_name + ".log")) {
  write_trial_order(study_folder, order_of(plan, trial));
  std::vector<std::string> arguments = {"bench-worker", study_folder.string(), trial.id};
  if (memory_budget_bytes > 0)
    arguments.insert(arguments.end(), {"--memory-budget", std::to_string(memory_budget_bytes)});
  process_ = std::make_unique<ChildProcess>(arguments, log_.string());
}

RoundResult BenchWorker::ask(const RoundOrder& order, const std::function<void()>& while_waiting) {
  const int64_t killed_before = n_killed_for_memory();
  const bool sent = process_->write_line(write_fields(order).dump());
  if (sent && while_waiting) bench_process::wait_for_line(*process_, while_waiting);
  // One that ran out of memory before it was asked has said so, and is gone.
  if (const auto line = process_->read_line()) {
    RoundResult result;
    read_fields(parse_json(*line, "bench worker"), "bench worker", result);
    return result;
  }
  const ExitState exit = process_->wait();
  if (exit.signal == SIGKILL && n_killed_for_memory() > killed_before)
    return bench_process::out_of_memory("the kernel ended the process for want of memory");
  if (const std::string said = bench_process::last_line(log_);
      exit.signal == SIGABRT && is_out_of_memory(std::runtime_error(said)))
    return bench_process::out_of_memory(said);
  throw UserError("bench", "the worker of " + trial_.variant + " stopped; see " + log_.string());
}

}  // namespace sublab
