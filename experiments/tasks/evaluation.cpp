// From a task's entry to the evaluation of a record.
#include "experiments/tasks/evaluation.h"

#include <cmath>

#include "core/hash.h"
#include "core/kind.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Keys of an entry that decide nothing of its numbers.
constexpr const char* kKeep = "keep";
constexpr const char* kNoConditions[] = {"task", "extrapolate", kKeep};

/// A hash of those of each corpus's split (all splits where the entry names none) and of the
/// tokenizer; "" where it reads no text.
std::string content_read(const json& conditions, const json& provenance) {
  json out = json::object();
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

}  // namespace

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

void Evaluation::move_to(Record& record, NpyMembers& arrays) && {
  if (record.evaluation(about_.id))
    throw UserError("/evaluate",
                    "asks twice for the same " + about_.task + " " + about_.conditions.dump());
  for (Metric& metric : metrics_) record.metrics.push_back(std::move(metric));
  for (auto& [name, array] : arrays_) arrays[member_name(name, about_.id)] = std::move(array);
  record.evaluations.push_back(std::move(about_));
}

RecordedEvaluation recorded_evaluation(const json& resolved, int64_t numerics_version,
                                       const json& provenance, const std::string& device) {
  RecordedEvaluation out;
  out.task = resolved.at("task").get<std::string>();
  out.conditions = resolved;
  for (const char* key : kNoConditions) out.conditions.erase(key);
  for (json& value :
       out.conditions)  // a part counts by its name, with its settings where it has any
    if (value.is_object() && !chosen_type(value).empty())
      value = value.size() == 1 ? value.at("type") : json(value.dump());
  out.conditions[condition::kDevice] = device;
  out.conditions["dtype"] = "float32";  // of the weights that are evaluated, however it was trained
  out.reads = content_read(out.conditions, provenance);
  out.numerics_version = numerics_version;
  if (resolved.contains(kKeep)) out.asked_for = resolved[kKeep].get<std::vector<std::string>>();
  out.id = evaluation_id(out);
  return out;
}

}  // namespace sublab
