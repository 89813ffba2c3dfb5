// From a task's entry to the evaluation of a record.
#include "experiments/tasks/evaluation.h"

#include <cmath>
#include <map>

#include "core/hash.h"
#include "core/kind.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Keys of an entry that decide nothing of its numbers.
constexpr const char* kKeep = "keep";
constexpr const char* kNoConditions[] = {"task",
                                         "extrapolate",
                                         "mean_of_windows",
                                         "random_keeps",
                                         kKeep,
                                         condition::kBatch,
                                         condition::kFolder,
                                         condition::kContent,
                                         condition::kLastPoints};

/// A hash of those of each corpus's split (all splits where the entry names none) and of the
/// tokenizer; of an entry on data of the user's own theirs, instead of the corpora's. "" where it
/// reads no text.
std::string content_read(const json& conditions, const std::string& own_data,
                         const json& provenance) {
  json out = json::object();
  if (!own_data.empty())
    return short_hash(own_data + " " + provenance.value("tokenizer_hash", std::string()));
  const std::string split = conditions.value(condition::kSplit, "");
  const json corpora = provenance.value("corpora", json::object());
  for (const auto& [name, facts] : corpora.items())
    for (const std::string each : {"validation", "test"})
      if ((split.empty() || split == each) && facts.contains(each + "_sha256"))
        out[name + "/" + each] = facts[each + "_sha256"];
  if (!out.empty() && provenance.contains("tokenizer_hash"))
    out["tokenizer"] = provenance["tokenizer_hash"];
  return out.empty() ? "" : short_hash(out.dump());
}

/// A compression as conditions that tables can name: its type, its version, and each setting by
/// itself.
void spell_compression(json& conditions, int64_t version) {
  const json choice = conditions.value(condition::kCompression, json());
  conditions.erase(condition::kCompression);
  if (!is_compressed(choice)) return;
  for (const auto& [key, value] : choice.items())
    conditions[std::string(condition::kCompression) + (key == "type" ? "" : "." + key)] = value;
  conditions[std::string(condition::kCompression) + ".numerics_version"] = version;
}

}  // namespace

bool is_compressed(const json& compression) {
  const std::string type = chosen_type(compression);
  return !type.empty() && type != "none";
}

void Evaluation::add(const std::string& name, std::optional<double> value, const json& conditions,
                     const std::string& note) {
  const bool finite = !value || std::isfinite(*value);
  json all = about_.conditions;
  all.update(conditions);
  metrics_.push_back({.name = name,
                      .value = finite ? value : std::nullopt,
                      .conditions = all,
                      .note = finite ? note : "not finite",
                      .evaluation = about_.id});
}

void Evaluation::add_activity(const std::string& mechanism, double n, double of) {
  add(metric::kActiveFraction, of > 0 ? n / of : 0,
      {{"mechanism", mechanism}, {"n", n}, {"of", of}});
}

void Evaluation::add_samples(const std::vector<json>& samples) {
  // A text may be cut within a character.
  for (const json& sample : samples) {
    const std::string line = sample.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    samples_.insert(samples_.end(), line.begin(), line.end());
  }
  add_array(array::kSamples, samples_, {static_cast<int64_t>(samples_.size())});
}

void Evaluation::add_counts() {
  std::map<std::string, ActivityCount> by_mechanism;
  for (const auto& [key, count] : activity_.counts()) {
    ActivityCount& sum = by_mechanism[key.first];
    sum.n += count.n, sum.of += count.of;
  }
  for (const auto& [mechanism, count] : by_mechanism) add_activity(mechanism, count.n, count.of);
}

void Evaluation::move_to(Record& record, NpyMembers& arrays) && {
  if (record.evaluation(about_.id))
    throw UserError("/evaluate",
                    "asks twice for the same " + about_.task + " " + about_.conditions.dump());
  add_counts();
  for (Metric& metric : metrics_) record.metrics.push_back(std::move(metric));
  for (auto& [name, array] : arrays_) arrays[member_name(name, about_.id)] = std::move(array);
  record.evaluations.push_back(std::move(about_));
}

RecordedEvaluation recorded_evaluation(const json& resolved, int64_t numerics_version,
                                       const json& provenance, const std::string& device,
                                       int64_t compression_version) {
  RecordedEvaluation out;
  out.task = resolved.at("task").get<std::string>();
  out.conditions = resolved;
  for (const char* key : kNoConditions) out.conditions.erase(key);
  out.conditions[condition::kDevice] = device;
  out.conditions["dtype"] = "float32";  // of the weights that are evaluated, however it was trained
  spell_compression(out.conditions, compression_version);
  out.reads = content_read(out.conditions, resolved.value(condition::kContent, ""), provenance);
  out.numerics_version = numerics_version;
  if (resolved.contains(kKeep)) out.asked_for = resolved[kKeep].get<std::vector<std::string>>();
  out.id = evaluation_id(out);
  return out;
}

}  // namespace sublab
