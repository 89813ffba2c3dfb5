#include "core/schema/record.h"

#include <algorithm>

#include "core/hash.h"

namespace sublab {
namespace {

void refuse_non_finite(const json& node, const std::string& path) {
  if (node.is_number_float() && !std::isfinite(node.get<double>()))
    throw std::logic_error("record: a number that is not finite at " + path);
  if (node.is_structured())
    for (const auto& [key, child] : node.items()) refuse_non_finite(child, path + "/" + key);
}

}  // namespace

const Metric* Record::find(const std::string& name) const {
  for (const auto& metric : metrics)
    if (metric.name == name) return &metric;
  return nullptr;
}

std::string digest_of(json written) {
  written.erase("digest");
  return sha256_hex(written.dump());
}

void write_record(const fs::path& path, const Record& record) {
  json written = write_fields(record);
  refuse_non_finite(written, "");
  written["digest"] = digest_of(written);
  write_file_durably(path, written.dump(1) + "\n");
}

Record read_record(const fs::path& path) {
  Record record;
  read_fields(parse_json(read_file(path), path.string()), path.string(), record);
  return record;
}

std::vector<Record> read_records(const fs::path& study_folder) {
  std::vector<fs::path> files;
  if (fs::is_directory(study_folder / "records"))
    for (const auto& entry : fs::directory_iterator(study_folder / "records"))
      if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Record> records;
  for (const auto& file : files) records.push_back(read_record(file));
  return records;
}

}  // namespace sublab
