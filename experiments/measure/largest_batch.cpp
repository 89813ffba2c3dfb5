// The largest batch within a memory budget, measured by real steps (experiments/measure/measure.h).
#include <cmath>

#include "experiments/machine/memory_room.h"
#include "experiments/measure/batch_search.h"
#include "experiments/measure/measure.h"

namespace sublab {
namespace {

constexpr int64_t kMostRows = 1 << 16;

/// One search. A process that has run a large batch keeps its memory, so each try has its own.
LargestBatch search(const Plan& plan, const PlannedTrial& trial, const fs::path& folder,
                    const MeasureConfig& config, const std::string& mode, int64_t context,
                    double room) {
  const auto budget = static_cast<double>(config.memory_budget_bytes);
  LargestBatch out;
  out.variant = trial.variant;
  out.mode = mode;
  out.context = context;
  const auto bytes = [&](int64_t batch) -> std::optional<double> {
    RoundOrder order{.mode = mode,
                     .context = context,
                     .batch = batch,
                     .decode_tokens = config.decode_tokens,
                     .repeats = 2};  // buffers are warm in the second
    const RoundResult result =
        BenchWorker(plan, trial, folder, "memory-" + trial.id, budget).ask(order);
    if (!result.ran()) return std::nullopt;
    out.assumed_keeps = result.assumed_keeps;
    return result.peak_memory_bytes;
  };
  const BatchSearch found = search_largest_batch(bytes, budget, room, kMostRows);
  out.trial = out.assumed_keeps ? "" : trial.id;
  out.batch = found.largest;
  out.peak_bytes = found.bytes;
  out.at_limit = found.at_limit;
  for (const BatchTry& tried : found.tries) {
    out.tried.push_back(tried.batch);
    out.tried_bytes.push_back(tried.bytes.value_or(0));
  }
  return out;
}

}  // namespace

std::vector<LargestBatch> find_largest_batches(const Plan& plan, const fs::path& study_folder,
                                               at::Device device, ProgressLine& progress) {
  MeasureConfig config;
  read_fields(plan.measure, "plan.json: /measure", config);
  std::vector<LargestBatch> out;
  if (config.memory_budget_bytes == 0) return out;
  const double free = memory_room(device).free_bytes;
  const double room = free > 0 ? free : INFINITY;  // a device that does not say
  if (static_cast<double>(config.memory_budget_bytes) > room)
    throw UserError("measure/memory_budget_bytes", std::to_string(config.memory_budget_bytes) +
                                                       " is above the " +
                                                       std::to_string(static_cast<int64_t>(room)) +
                                                       " bytes that this machine has free");
  const auto trials = measured_trials(plan);
  std::vector<std::string> modes;
  for (const std::string& mode : config.modes)
    if (mode == "train" || mode == "decode") modes.push_back(mode);
  const size_t total = modes.size() * config.context.size() * trials.size();
  for (const std::string& mode : modes)
    for (const int64_t context : config.context)
      for (const PlannedTrial* trial : trials) {
        progress.show(static_cast<double>(out.size()) / static_cast<double>(total),
                      "largest batch: " + mode + ", " + trial->variant);
        out.push_back(search(plan, *trial, study_folder, config, mode, context, room));
      }
  return out;
}

}  // namespace sublab
