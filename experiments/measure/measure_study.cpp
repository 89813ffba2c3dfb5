// Calibrates, measures and writes (experiments/measure/measure_study.h).
#include "experiments/measure/measure_study.h"

#include "core/hash.h"
#include "core/schema/record.h"
#include "experiments/machine/device.h"
#include "experiments/machine/environment.h"
#include "experiments/measure/rounds.h"

namespace sublab {
namespace {

/// Where the reference is measured: ceilings are that device's.
at::Device device_of(const Plan& plan) {
  for (const PlannedTrial* trial : measured_trials(plan))
    if (trial->variant == plan.compare_to)
      return find_device(trial->config.at("train").value("device", "cpu"), "/train/device");
  return at::kCPU;
}

/// The file of this measurement: what was asked, of which weights, over which text.
fs::path file_of(const Plan& plan, const fs::path& study_folder) {
  json measured = plan.measure;
  measured.erase("modelled_context");  // decides tables, nothing that is measured
  json identity = {measured, plan.compare_to};
  for (const PlannedTrial* trial : measured_trials(plan)) identity.push_back(trial->train_id);
  // The rounds read validation text.
  for (const CorpusContent& corpus : plan.content.corpora) identity.push_back(corpus.validation);
  return study_folder / "bench" / (short_hash(identity.dump()) + ".json");
}

Calibration calibration_for(const Plan& plan, const std::vector<MeasuredModel>& models,
                            at::Device device) {
  MeasureConfig config;
  read_fields(plan.measure, "plan.json: /measure", config);
  return calibrate(device, dtypes_of(models, config, device), shapes_of(models, config));
}

}  // namespace

bool measure_study(const Plan& plan, const fs::path& study_folder, const Catalog& catalog,
                   ProgressLine& progress, const std::function<bool()>& stop) {
  const fs::path path = file_of(plan, study_folder);
  if (fs::exists(path)) return true;
  const IgnoreBrokenPipes pipes;
  BenchFile file;
  file.compare_to = plan.compare_to;
  const at::Device device = device_of(plan);
  file.environment = environment(device);
  file.provenance = code_provenance();
  file.memory_budget_bytes = plan.measure.value("memory_budget_bytes", 0.0);
  file.largest_batches = find_largest_batches(plan, study_folder, device, progress);
  std::vector<MeasuredModel> models;
  for (const PlannedTrial* trial : measured_trials(plan)) models.emplace_back(*trial, catalog);
  const Calibration rates = calibration_for(plan, models, device);
  file.calibration = rates.to_json();
  auto measurements = Coordinator(plan, study_folder, models, device, rates, progress, stop).run();
  if (!measurements) return false;
  file.measurements = std::move(*measurements);
  // One measurement per study stands: those of an earlier plan would be reported beside it.
  if (fs::is_directory(study_folder / "bench"))
    for (const auto& entry : fs::directory_iterator(study_folder / "bench"))
      fs::remove(entry.path());
  file.digest = digest_of(write_fields(file));
  write_file_durably(path, write_fields(file).dump(1) + "\n");
  progress.note("speed measured");
  return true;
}

}  // namespace sublab
