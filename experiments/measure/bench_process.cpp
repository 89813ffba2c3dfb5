// The processes that serve rounds, as the measuring side sees them (experiments/measure/measure.h).
#include <csignal>

#include "experiments/measure/measure.h"

namespace sublab {

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

std::optional<RoundResult> BenchWorker::ask(const RoundOrder& order) {
  const int64_t killed_before = n_killed_for_memory();
  const bool sent = process_->write_line(write_fields(order).dump());
  const auto line = sent ? process_->read_line() : std::nullopt;
  if (line) {
    RoundResult result;
    read_fields(parse_json(*line, "bench worker"), "bench worker", result);
    return result;
  }
  const ExitState exit = process_->wait();
  const bool starved = exit.signal == SIGKILL && n_killed_for_memory() > killed_before;
  if (exit.code == kOverBudgetExit || starved) return std::nullopt;
  throw UserError("bench", "the worker of " + trial_.variant + " stopped; see " + log_.string());
}

}  // namespace sublab
