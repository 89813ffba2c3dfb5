// Records from disk: what readers take from them is checked here, so that they need not.
#include "core/schema/read_record.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/hash.h"
#include "core/json_parts.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "core/schema/shape.h"

namespace sublab {
namespace {

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
  check(record.arrays.members, "/arrays/members", {});
  static const json kNone = json::array();
  const auto found = record.ledger.find("lines");
  const json& lines = found == record.ledger.end() ? kNone : *found;
  if (!lines.is_array()) fields_detail::throw_type(where + "/ledger/lines", "a list", lines);
  for (size_t i = 0; i < lines.size(); ++i)
    check_shapes(lines[i], where + "/ledger/lines/" + std::to_string(i),
                 {{"", Kind::object, true}, {"/flops_causal", Kind::number}});
  for (const auto& [name, hash] : record.arrays.members.items())
    if (!hash.is_string())
      fields_detail::throw_type(where + "/arrays/members/" + name, "a string", hash);
}

/// What readers ask for by name alone: once in an evaluation, whatever its conditions.
bool stands_alone(const std::string& name) {
  static const std::set<std::string> names = {
      metric::kLossNats,           metric::kPerplexity,         metric::kBitsPerByte,
      metric::kLossEarlyNats,      metric::kLossLateNats,       metric::kParams,
      metric::kParamsNonEmbedding, metric::kTrainFlopsPerToken, metric::kDecodeBytesPerToken,
      metric::kTrainTokens,        metric::kTokensPerParameter};
  return names.contains(name);
}

/// No two metrics answer to the same name, evaluation and conditions.
void check_metrics_differ(const Record& record, const std::string& where) {
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const Metric& metric : record.metrics) {
    const std::string apart = stands_alone(metric.name) ? "" : metric.conditions.dump();
    if (!seen.emplace(metric.name, metric.evaluation, apart).second)
      throw UserError(
          where + "/metrics " + metric.name,
          "stands there twice" + (metric.evaluation.empty() ? "" : " of " + metric.evaluation));
  }
}

/// Ids are unique, and metrics name evaluations that are there.
void check_evaluations(const Record& record, const std::string& where) {
  for (size_t i = 0; i < record.evaluations.size(); ++i) {
    const RecordedEvaluation& own = record.evaluations[i];
    const std::string at = where + "/evaluations/" + std::to_string(i);
    check_shapes(own.conditions, at + "/conditions", {{"", Kind::object, true}});
    if (record.evaluation(own.id) != &own) throw UserError(at + "/id", "stands there twice");
  }
  for (const Metric& metric : record.metrics)
    if (!metric.evaluation.empty() && !record.evaluation(metric.evaluation))
      throw UserError(where + "/metrics " + metric.name + " /evaluation",
                      "'" + metric.evaluation + "' is none of the record's");
  check_metrics_differ(record, where);
}

/// Records of another schema are neither damaged nor made again by themselves.
void refuse_other_schema(const json& read, const fs::path& path) {
  if (!read.is_object() || !read.contains("schema") || !read["schema"].is_number_integer()) return;
  const auto schema = read["schema"].get<int64_t>();
  if (schema == kRecordSchema) return;
  const fs::path folder = path.parent_path().parent_path();
  throw UserError(
      path.string(),
      "has schema " + std::to_string(schema) + ", this program reads " +
          std::to_string(kRecordSchema) +
          (schema < kRecordSchema
               ? "; the reports beside it stay readable, and `sublab run " +
                     (folder / "study.json").string() + " --out NEW_DIR` makes the study again"
               : "; it was made by a later version of the program"));
}

Record read_without(const fs::path& path, const std::vector<std::string>& left_out) {
  const std::string where = path.string() + ": ";
  const std::string text = read_file(path);
  json read;
  try {
    read = parse_json_without(text, path.string(), left_out);
  } catch (const UserError& error) {
    throw DamagedRecord(path, error.what());
  }
  refuse_other_schema(read, path);
  try {
    if (read.is_object() && !read.contains("schema"))
      throw UserError(where + "/schema", "is missing");
    Record record;
    read_fields(read, where, record);
    check_record(record, where);
    check_evaluations(record, where);
    return record;
  } catch (const UserError& error) {
    throw DamagedRecord(path, error.what());
  }
}

}  // namespace

Record read_record(const fs::path& path) { return read_without(path, {}); }

Record read_record_numbers(const fs::path& path) {
  return read_without(path, {"audit/checks", "ledger/lines"});
}

std::string damage_of_arrays(const fs::path& study_folder, const Record& record) {
  if (record.arrays.sha256.empty()) return "";
  const fs::path path = arrays_path(study_folder, record.id);
  if (!fs::exists(path)) return "is missing";
  try {
    if (sha256_hex(read_file(path)) == record.arrays.sha256) return "";
    const NpzFile opens(path);
    return "is not the file that the trial wrote";
  } catch (const UserError& error) {
    std::string what = error.what();
    if (what.starts_with(path.string() + ": ")) what.erase(0, path.string().size() + 2);
    return what;
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
