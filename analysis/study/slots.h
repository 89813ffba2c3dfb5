// What evaluations measured, as columns: a metric each, and one each for those that a condition of
// their own tells apart within one evaluation, such as two modules of one level.
#pragma once

#include <string>
#include <vector>

#include "analysis/study/questions.h"
#include "analysis/study/study_data.h"

namespace sublab {

struct Slot {
  std::string name;                     ///< of the metric
  json apart = json::object();          ///< conditions that tell it from others of its name
  std::string heading = {}, help = {};  ///< of its column

  /// The record's metric, or null.
  const Metric* of(const Record& record, const std::string& evaluation) const;
};

/// The slots of these evaluations, in the order of first appearance.
std::vector<Slot> slots_of(const std::vector<const Record*>& records, const EvaluationOf& of);

/// Kept fractions of the headline: a slot per level and, where a variant has several modules at a
/// level, one for each. Variants may number their modules differently, so that these go by order.
struct KeptSlot {
  std::string name;
  size_t nth = 0;
  std::string heading = {}, help = {};

  const Metric* of(const Record& record) const;
};
std::vector<KeptSlot> kept_slots(const StudyData& data);

}  // namespace sublab
