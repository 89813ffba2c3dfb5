// The progress line of a run and a line per trial (experiments/run/run_report.h).
#include "experiments/run/run_report.h"

#include <cstdio>

#include "core/schema/metrics.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace run_report {

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

}  // namespace run_report

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
  if (!options_.quiet) line_.note(text + run_report::headline_text(record));
}

}  // namespace sublab
