// training.json and its arrays, beside the weights (experiments/run/kept_training.h).
#include "experiments/run/kept_training.h"

namespace sublab {
namespace kept_training {

constexpr const char* kFile = "training.json";
constexpr const char* kCurves = "curves.npz";

}  // namespace kept_training

bool is_trained(const fs::path& checkpoint) {
  return fs::exists(checkpoint / kept_training::kFile);
}

void keep_training(const fs::path& checkpoint, const NpyMembers& arrays, const Record& record,
                   size_t first) {
  json metrics = json::array();
  for (size_t i = first; i < record.metrics.size(); ++i)
    metrics.push_back(write_fields(record.metrics[i]));
  write_npz(checkpoint / kept_training::kCurves, arrays);
  json written = {{"metrics", metrics},
                  {"times", record.times},
                  {"weights_hash", record.provenance.at("weights_hash")}};
  if (record.provenance.contains("from")) written["from"] = record.provenance["from"];
  write_file_durably(checkpoint / kept_training::kFile, written.dump(1) + "\n");
}

void recall_training(const fs::path& checkpoint, NpyMembers& arrays, Record& record) {
  const fs::path path = checkpoint / kept_training::kFile;
  const json read = parse_json(read_file(path), path.string());
  for (const json& each : read.at("metrics")) {
    Metric metric;
    read_fields(each, path.string(), metric);
    record.metrics.push_back(metric);
  }
  for (const auto& [name, value] : read.at("times").items())
    if (name.starts_with("train_")) record.times[name] = value;
  for (const char* key : {"from", "weights_hash"})
    if (read.contains(key)) record.provenance[key] = read[key];
  if (fs::exists(checkpoint / kept_training::kCurves))
    arrays = read_npz(checkpoint / kept_training::kCurves);
}

}  // namespace sublab
