// Reading, writing and searching records.
#include "core/schema/record.h"

#include <algorithm>

#include "core/hash.h"
#include "core/hints.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"
#include "core/schema/shape.h"

namespace sublab {
namespace {

void refuse_non_finite(const json& node, const std::string& path) {
  if (node.is_number_float() && !std::isfinite(node.get<double>()))
    throw std::logic_error("record: a number that is not finite at " + path);
  if (node.is_structured())
    for (const auto& [key, child] : node.items()) refuse_non_finite(child, path + "/" + key);
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
  const std::string id = headline();
  const Metric* own = find_in(id, name, conditions);
  return own || id.empty() ? own : only_one(found, looked_for(name, conditions));
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

}  // namespace sublab
