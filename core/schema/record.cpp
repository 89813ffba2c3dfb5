// Reading, writing and searching records.
#include "core/schema/record.h"

#include <algorithm>

#include "core/hash.h"
#include "core/hints.h"
#include "core/json_parts.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"
#include "core/schema/record_numbers.h"
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
}

/// "loss_nats {split: test}": what was looked for.
std::string looked_for(const std::string& name, const json& conditions) {
  return conditions.empty() ? name : name + " " + conditions.dump();
}

const Metric* only_one(const std::vector<const Metric*>& found, const std::string& text) {
  if (found.size() > 1)
    throw AmbiguousMetric("record: " + std::to_string(found.size()) + " metrics are " + text);
  return found.empty() ? nullptr : found.front();
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

}  // namespace

std::vector<const Metric*> Record::find_all(const std::string& name, const json& conditions) const {
  std::vector<const Metric*> out;
  for (const Metric& metric : metrics) {
    bool fits = metric.name == name;
    for (const auto& [key, value] : conditions.items())
      fits = fits && metric.conditions.value(key, json()) == value;
    if (fits) out.push_back(&metric);
  }
  return out;
}

const Metric* Record::find(const std::string& name, const json& conditions) const {
  return only_one(find_all(name, conditions), looked_for(name, conditions));
}

const Metric* Record::find_in(const std::string& evaluation, const std::string& name,
                              const json& conditions) const {
  auto found = find_all(name, conditions);
  std::erase_if(found, [&](const Metric* metric) { return metric->evaluation != evaluation; });
  return only_one(found, looked_for(name, conditions) + " of " + evaluation);
}

std::string Record::headline() const {
  for (const RecordedEvaluation& each : evaluations)
    if (find_in(each.id, metric::kLossNats)) return each.id;
  return "";
}

const Metric* Record::find_headline(const std::string& name, const json& conditions) const {
  const auto found = find_all(name, conditions);
  if (found.size() < 2) return found.empty() ? nullptr : found.front();
  const Metric* own = find_in(headline(), name, conditions);
  return own ? own : only_one(found, looked_for(name, conditions));
}

const RecordedEvaluation* Record::evaluation(const std::string& id) const {
  for (const RecordedEvaluation& each : evaluations)
    if (each.id == id) return &each;
  return nullptr;
}

std::string evaluation_id(const RecordedEvaluation& evaluation) {
  const json asked = {{"task", evaluation.task},
                      {"conditions", evaluation.conditions},
                      {"reads", evaluation.reads},
                      {"numerics_version", evaluation.numerics_version}};
  constexpr size_t kHashLetters = 8;  // ids need to differ within one trial only
  return evaluation.task + "-" + short_hash(asked.dump()).substr(0, kHashLetters);
}

namespace {

/// What is empty in a metric or an evaluation is left out: most of a record are metrics.
void leave_out_empty(json& parts, const std::vector<const char*>& keys) {
  for (json& part : parts)
    for (const char* key : keys)
      if (part[key].empty() || part[key] == "") part.erase(key);
}

}  // namespace

std::string digest_of(json written) {
  written.erase("digest");
  return sha256_hex(written.dump());
}

void write_record(const fs::path& path, const Record& record) {
  json written = write_fields(record);
  refuse_non_finite(written, "");
  leave_out_empty(written["metrics"], {"conditions", "note", "evaluation"});
  leave_out_empty(written["evaluations"], {"reads", "asked_for"});
  written["digest"] = digest_of(written);
  constexpr int kLevels = 2;  // a line per metric
  write_file_durably(path, json_text(written, kLevels));
}

DamagedRecord::DamagedRecord(const fs::path& path, const std::string& what)
    : UserError(what + "; " + rerun_command(path.parent_path().parent_path()) +
                " sets this record aside and makes it again") {}

namespace {

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
