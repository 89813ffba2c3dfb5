#include "core/schema/record.h"

#include <algorithm>

#include "core/hash.h"
#include "core/hints.h"
#include "core/schema/shape.h"

namespace sublab {
namespace {

void refuse_non_finite(const json& node, const std::string& path) {
  if (node.is_number_float() && !std::isfinite(node.get<double>()))
    throw std::logic_error("record: a number that is not finite at " + path);
  if (node.is_structured())
    for (const auto& [key, child] : node.items()) refuse_non_finite(child, path + "/" + key);
}

/// What reports read of a record's free-form parts.
void check_record(const Record& record, const std::string& where) {
  check_config(record.config, where + "/config");
  for (const Metric& metric : record.metrics)
    check_shapes(metric.conditions, where + "/metrics " + metric.name + " /conditions",
                 {{"", Kind::object, true},
                  {"/split", Kind::text},
                  {"/tokens", Kind::number},
                  {"/window", Kind::number},
                  {"/module", Kind::number},
                  {"/n", Kind::number},
                  {"/n_rows", Kind::number},
                  {"/empty", Kind::number},
                  {"/failed", Kind::number},
                  {"/chance", Kind::number}});
  const std::vector<Shape> object = {{"", Kind::object, true}};
  const auto check = [&](const json& part, const char* name, const std::vector<Shape>& shapes) {
    check_shapes(part, where + name, object);
    check_shapes(part, where + name, shapes);
  };
  check(record.audit, "/audit", {{"/verdict", Kind::text}});
  check(record.ledger, "/ledger", {});
  check(record.environment, "/environment",
        {{"/cpu", Kind::text}, {"/instruction_set", Kind::text}, {"/libtorch", Kind::text}});
  check(record.provenance, "/provenance",
        {{"/commit", Kind::text}, {"/dirty", Kind::flag}, {"/tokenizer_hash", Kind::text}});
  check(record.times, "/times", {{"/train_seconds", Kind::number}});
  check(record.arrays, "/arrays", {});
  static const json kNone = json::array();
  const auto found = record.ledger.find("lines");
  const json& lines = found == record.ledger.end() ? kNone : *found;
  if (!lines.is_array()) fields_detail::throw_type(where + "/ledger/lines", "a list", lines);
  for (size_t i = 0; i < lines.size(); ++i)
    check_shapes(lines[i], where + "/ledger/lines/" + std::to_string(i),
                 {{"", Kind::object, true}, {"/flops_causal", Kind::number}});
  for (const auto& [name, hash] : record.arrays.items())
    if (!hash.is_string()) fields_detail::throw_type(where + "/arrays/" + name, "a string", hash);
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

DamagedRecord::DamagedRecord(const fs::path& path, const std::string& what)
    : UserError(what + "; " + rerun_command(path.parent_path().parent_path()) +
                " sets this record aside and makes it again") {}

Record read_record(const fs::path& path) {
  const std::string where = path.string() + ": ";
  const std::string text = read_file(path);
  try {
    Record record;
    read_fields(parse_json(text, path.string()), where, record);
    check_record(record, where);
    return record;
  } catch (const UserError& error) {
    throw DamagedRecord(path, error.what());
  }
}

std::string read_outcome(const fs::path& path) {
  const std::string text = read_file(path), key = "\n \"outcome\": \"";
  const size_t begin = text.find(key);
  if (text.starts_with("{\n") && text.ends_with("\n}\n") && begin != std::string::npos) {
    const size_t value = begin + key.size();
    const std::string outcome = text.substr(value, text.find('"', value) - value);
    if (std::find(kOutcomes.begin(), kOutcomes.end(), outcome) != kOutcomes.end()) return outcome;
  }
  return read_record(path).outcome;
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
