// Finds the columns that a table of evaluations needs.
#include "analysis/study/slots.h"

#include <algorithm>
#include <map>

#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Conditions in which metrics of one name and evaluation differ.
json apart_from(const Metric& metric, const std::vector<const Metric*>& all) {
  json out = json::object();
  for (const auto& [key, value] : metric.conditions.items())
    for (const Metric* other : all)
      if (!condition::is_count(key) && other->conditions.value(key, json()) != value)
        out[key] = value;
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
  return record.find_in(evaluation, name, apart);
}

std::vector<Slot> slots_of(const std::vector<const Record*>& records, const EvaluationOf& of) {
  std::vector<Slot> out;
  for (const Record* record : records) {
    const std::string evaluation = of(*record);
    for (const Metric& metric : record->metrics) {
      if (evaluation.empty() || metric.evaluation != evaluation) continue;
      auto all = record->find_all(metric.name);
      std::erase_if(all, [&](const Metric* each) { return each->evaluation != evaluation; });
      const json apart = apart_from(metric, all);
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
