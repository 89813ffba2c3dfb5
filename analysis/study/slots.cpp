// Finds the columns that a table of evaluations needs.
#include "analysis/study/slots.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Metrics of one name in one evaluation.
std::vector<const Metric*> metrics_of(const Record& record, const std::string& evaluation,
                                      const std::string& name) {
  std::vector<const Metric*> out;
  for (const Metric* metric : record.find_all(name))
    if (metric->evaluation == evaluation) out.push_back(metric);
  return out;
}

/// By name, the conditions in which metrics of that name differ within any record: one that has a
/// single metric of the name is told apart by them, too.
std::map<std::string, std::set<std::string>> keys_apart(const std::vector<const Record*>& records,
                                                        const EvaluationOf& of) {
  std::map<std::string, std::set<std::string>> out;
  for (const Record* record : records) {
    const std::string evaluation = of(*record);
    for (const Metric& metric : record->metrics) {
      if (evaluation.empty() || metric.evaluation != evaluation) continue;
      std::set<std::string>& keys = out[metric.name];
      for (const Metric* other : metrics_of(*record, evaluation, metric.name))
        for (const auto& [key, value] : metric.conditions.items())
          if (!condition::is_count(key) && other->conditions.value(key, json()) != value)
            keys.insert(key);
    }
  }
  return out;
}

std::string text_of(const json& apart) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : apart.items()) parts.push_back(key + " " + unquoted(value));
  return join(parts);
}

/// Metrics of one name in one evaluation, by module.
std::vector<const Metric*> by_module(const Record& record, const std::string& name) {
  auto found = record.find_all(name);
  const std::string headline = record.headline();
  if (std::any_of(found.begin(), found.end(),
                  [&](const Metric* metric) { return metric->evaluation == headline; }))
    std::erase_if(found, [&](const Metric* metric) { return metric->evaluation != headline; });
  else if (!found.empty())
    std::erase_if(found, [first = found.front()->evaluation](const Metric* metric) {
      return metric->evaluation != first;
    });
  std::stable_sort(found.begin(), found.end(), [](const Metric* a, const Metric* b) {
    return a->conditions.value(condition::kModule, 0) < b->conditions.value(condition::kModule, 0);
  });
  return found;
}

}  // namespace

const Metric* Slot::of(const Record& record, const std::string& evaluation) const {
  try {
    return record.find_in(evaluation, name, apart);
  } catch (const AmbiguousMetric&) {
    return nullptr;  // this record tells apart what the slot's records do not
  }
}

std::vector<Slot> slots_of(const std::vector<const Record*>& records, const EvaluationOf& of) {
  std::vector<Slot> out;
  const auto keys = keys_apart(records, of);
  for (const Record* record : records) {
    const std::string evaluation = of(*record);
    for (const Metric& metric : record->metrics) {
      if (evaluation.empty() || metric.evaluation != evaluation) continue;
      json apart = json::object();
      for (const std::string& key : keys.at(metric.name))
        if (metric.conditions.contains(key)) apart[key] = metric.conditions[key];
      if (std::any_of(out.begin(), out.end(), [&](const Slot& slot) {
            return slot.name == metric.name && slot.apart == apart;
          }))
        continue;
      const MetricInfo info = metric_info(metric.name);
      const std::string more = text_of(apart);
      out.push_back({.name = metric.name,
                     .apart = apart,
                     .heading = info.heading + (more.empty() ? "" : " (" + more + ")"),
                     .help = info.help});
    }
  }
  return out;
}

const Metric* KeptSlot::of(const Record& record) const {
  const auto found = by_module(record, name);
  return nth < found.size() ? found[nth] : nullptr;
}

std::vector<KeptSlot> kept_slots(const StudyData& data) {
  std::map<std::string, size_t> most;  // name -> modules at that level
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good())
      for (const Metric& metric : record->metrics)
        if (metric::is_of_family(metric.name, metric::kKeptFraction))
          most[metric.name] = std::max(most[metric.name], by_module(*record, metric.name).size());
  std::vector<KeptSlot> out;
  for (const auto& [name, n] : most)
    for (size_t i = 0; i < n; ++i) {
      const std::string level = metric::level_of(name, metric::kKeptFraction);
      const std::string which = n > 1 ? " module " + std::to_string(i + 1) : "";
      out.push_back({.name = name,
                     .nth = i,
                     .heading = "kept L" + level + which,
                     .help = "share of the parent level's tokens that the trained threshold lets "
                             "into level " +
                             level + ", on the same text" +
                             (n > 1 ? "; modules of a level in their order" : "")});
    }
  return out;
}

}  // namespace sublab
