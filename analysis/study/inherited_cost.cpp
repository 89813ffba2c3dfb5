// Along train.from, trial by trial (analysis/study/inherited_cost.h).
#include "analysis/study/inherited_cost.h"

#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// The record of a main trial, or null.
const Record* record_of(const StudyData& data, const std::string& id) {
  for (const VariantData& variant : data.variants)
    for (const Record& record : variant.records)
      if (record.id == id) return &record;
  return nullptr;
}

std::optional<double> sum_of(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

}  // namespace

bool starts_from_weights(const Record& record) {
  const json train = record.config.value("train", json::object());
  return train.is_object() && train.value("from", "") != "";
}

InheritedCost inherited_cost(const StudyData& data, const Record& record) {
  if (!starts_from_weights(record)) return {0, 0};
  const PlannedTrial* own = data.plan.find(record.id);
  if (const Record* parent = own && !own->from.empty() ? record_of(data, own->from) : nullptr)
    return whole_training(data, *parent);
  const json from = record.provenance.value("from", json());
  const auto said = [&](const char* key) -> std::optional<double> {
    if (!from.is_object() || !from.contains(key) || !from[key].is_number()) return std::nullopt;
    return from[key].get<double>();
  };
  return {said("trained_tokens"), said("trained_flops")};
}

InheritedCost whole_training(const StudyData& data, const Record& record) {
  const InheritedCost before = inherited_cost(data, record);
  return {sum_of(before.tokens, metric_of(record, metric::kTrainTokens)),
          sum_of(before.flops, training_flops(record))};
}

}  // namespace sublab
