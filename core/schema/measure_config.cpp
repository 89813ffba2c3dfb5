// What of a study's speed measurement would have no effect.
#include "core/schema/measure_config.h"

#include <algorithm>
#include <set>

#include "core/distinct.h"

namespace sublab {

void check_measure(const MeasureConfig& measure, const std::string& path) {
  const auto has = [](const auto& list, const auto& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  const auto& modes = measure.modes;
  check_distinct(modes, path + "/modes");
  check_distinct(measure.context, path + "/context");
  check_distinct(measure.batch, path + "/batch");
  check_distinct(measure.modelled_context, path + "/modelled_context");
  if (measure.memory_budget_bytes > 0 && !has(modes, "train") && !has(modes, "decode"))
    throw UserError(path + "/memory_budget_bytes",
                    "has no effect without \"train\" or \"decode\" among modes");
  if (measure.modelled_context.empty()) return;
  const std::string at = path + "/modelled_context";
  if (std::set<int64_t>(measure.context.begin(), measure.context.end()).size() < 2)
    throw UserError(
        at, "needs two or more contexts that are measured; /base/measure/context names one");
  if (!has(modes, "prefill") && !has(modes, "decode"))
    throw UserError(at, "has no effect without \"prefill\" or \"decode\" among modes");
  if (!has(measure.batch, int64_t{1}))
    throw UserError(
        at, "has no effect without 1 in /base/measure/batch: one row at a time is modelled");
  for (size_t i = 0; i < measure.modelled_context.size(); ++i)
    if (has(measure.context, measure.modelled_context[i]))
      throw UserError(at + "/" + std::to_string(i),
                      std::to_string(measure.modelled_context[i]) + " is measured already");
}

}  // namespace sublab
