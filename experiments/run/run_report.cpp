// The progress line of a run and a line per trial (experiments/run/run_report.h).
#include "experiments/run/run_report.h"

#include <cstdio>

#include "experiments/run/study_folder.h"

namespace sublab {

void RunReport::show(const PlannedTrial& trial, const TrialProgress& progress,
                     const std::vector<TrialProgress>& all) {
  double done = static_cast<double>(finished_);
  for (const TrialProgress& each : all)
    done += each.stage == "train" ? 0.85 * each.done : each.stage == "data" ? 0 : 0.9;
  char text[200];
  std::snprintf(text, sizeof text, "%zu/%zu  %s: %s %.0f%%", finished_ + 1, total_,
                trial.label().c_str(), progress.stage.c_str(), 100 * progress.done);
  std::string shown = text;
  if (progress.loss > 0) {
    std::snprintf(text, sizeof text, ", loss %.3f, %.0f tokens/s", progress.loss,
                  progress.tokens_per_s);
    shown += text;
  }
  if (!options_.quiet) line_.show(done / static_cast<double>(total_), shown);
}

void RunReport::ended(const PlannedTrial& trial) {
  const Record record = read_record(record_path(options_.out, trial));
  ++(record.outcome == "ok" ? summary_.done : summary_.failed);
  ++finished_;
  std::string text = trial.label() + ": " + record.outcome +
                     (record.detail.empty() ? "" : " (" + record.detail + ")");
  char number[80];
  for (const char* name : {"valid_loss_nats", "recall_accuracy"})
    if (const Metric* metric = record.find(name); metric && metric->value) {
      std::snprintf(number, sizeof number, ", %s %.4f", name, *metric->value);
      text += number;
    }
  if (!options_.quiet) line_.note(text);
}

}  // namespace sublab
