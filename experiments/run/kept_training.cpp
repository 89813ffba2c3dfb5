// training.json and its arrays, beside the weights (experiments/run/kept_training.h).
#include "experiments/run/kept_training.h"

#include "core/hash.h"
#include "core/safetensors.h"
#include "core/schema/shape.h"

namespace sublab {
namespace kept_training {

constexpr const char* kFile = "training.json";
constexpr const char* kCurves = "curves.npz";
constexpr const char* kConfig = "config.json";

std::string hash_of(const fs::path& file) { return sha256_hex(read_file(file)); }

/// A file beside the weights, against its hash where training.json has one.
void check_file(const fs::path& file, const json& hash) {
  const std::string name = file.filename().string();
  if (hash.is_null()) return;
  if (!fs::exists(file)) throw UserError(name, "beside it is missing");
  if (hash != hash_of(file)) throw UserError(name, "beside it is not what the training left");
}

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
                  {"weights_hash", record.provenance.at("weights_hash")},
                  {"config_hash", kept_training::hash_of(checkpoint / kept_training::kConfig)},
                  {"curves_hash", kept_training::hash_of(checkpoint / kept_training::kCurves)}};
  if (record.provenance.contains("from")) written["from"] = record.provenance["from"];
  if (record.provenance.contains("commit")) written["commit"] = record.provenance["commit"];
  written["digest"] = digest_of(written);
  write_file_durably(checkpoint / kept_training::kFile, written.dump(1) + "\n");
}

void check_training(const fs::path& checkpoint, bool used) {
  const fs::path path = checkpoint / kept_training::kFile;
  const json read = parse_json(read_file(path), path.string());
  check_shapes(read, path.string() + ": ",
               {{"", Kind::object, true},
                {"/times", Kind::object, true},
                {"/times/train_seconds", Kind::number, true}});
  if (!read.contains("metrics")) throw UserError(path.string(), "has no metrics");
  if (!used) return;
  if (read.contains("digest") && read["digest"] != digest_of(read))
    throw UserError(path.string(), "is not what the training left");
  if (read.contains("weights_hash") && read["weights_hash"] != weights_hash(checkpoint))
    throw UserError(path.string(), "speaks of other weights than stand beside it");
  const fs::path config = checkpoint / kept_training::kConfig,
                 curves = checkpoint / kept_training::kCurves;
  kept_training::check_file(config, read.value("config_hash", json()));
  kept_training::check_file(curves, read.value("curves_hash", json()));
  parse_json(read_file(config), config.string());
  if (fs::exists(curves)) read_npz(curves);
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
  if (read.contains("commit") && read["commit"] != record.provenance.value("commit", json()))
    record.provenance["trained_by_commit"] = read["commit"];
  if (fs::exists(checkpoint / kept_training::kCurves))
    arrays = read_npz(checkpoint / kept_training::kCurves);
}

}  // namespace sublab
