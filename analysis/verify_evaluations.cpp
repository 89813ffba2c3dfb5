// Evaluations as they stand in records, beside what a plan asks (analysis/verify_evaluations.h).
#include "analysis/verify_evaluations.h"

#include "core/kind.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Why an evaluation is not the one that an entry of a trial's "evaluate" asks for; "" when it is.
std::string differs_from(const RecordedEvaluation& evaluation, const json& entry) {
  const json task = entry.is_object() ? entry.value("task", json()) : json();
  if (task != evaluation.task)
    return "is of " + evaluation.task + ", the plan asks for " + task.dump();
  for (const auto& [key, setting] : entry.items()) {
    const auto found = evaluation.conditions.find(key);
    // Conditions name a compression by its type.
    const json asked = key == condition::kCompression ? json(chosen_type(setting)) : setting;
    if (found != evaluation.conditions.end() && *found != asked)
      return key + " is " + found->dump() + ", the plan asks for " + asked.dump();
  }
  return "";
}

}  // namespace

std::vector<std::string> EvaluationCheck::problems(const Record& record,
                                                   const json& planned_config) {
  std::vector<std::string> out;
  const json asked = planned_config.value("evaluate", json::array());
  if (asked.size() != record.evaluations.size())
    return {std::to_string(record.evaluations.size()) + " evaluations, the plan asks for " +
            std::to_string(asked.size())};
  for (size_t i = 0; i < asked.size(); ++i) {
    const RecordedEvaluation& own = record.evaluations[i];
    const std::string difference = differs_from(own, asked[i]);
    if (!difference.empty()) out.push_back("evaluation " + own.id + ": " + difference);
    if (evaluation_id(own) != own.id)
      out.push_back("evaluation " + own.id + " is not what its id says (" + evaluation_id(own) +
                    ")");
    const json text = {own.conditions.value(condition::kSplit, json()),
                       record.provenance.value("corpora", json()),
                       record.provenance.value("tokenizer_hash", json()),
                       asked[i].is_object() ? asked[i].value(condition::kContent, json()) : json()};
    if (reads_.emplace(text.dump(), own.reads).first->second != own.reads)
      out.push_back("evaluation " + own.id + " read another text than others of its split");
  }
  return out;
}

}  // namespace sublab
