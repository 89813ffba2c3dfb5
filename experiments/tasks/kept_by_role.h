// Which tokens of a task's rows are kept, by what they are to the task: query, key, value, filler.
// A task names its roles and says which token has which; metrics, array and table follow.
#pragma once

#include <string>
#include <vector>

#include "analysis/inspection/kept_histogram.h"
#include "experiments/tasks/evaluation.h"
#include "models/language_model.h"

namespace sublab {

class KeptByRole {
 public:
  KeptByRole(const LanguageModel& model, std::vector<std::string> names);

  /// The decisions of a pass about its row number `row`; of each of the row's tokens the place of
  /// its role among the names.
  void add(const RecordedKeeps& keeps, int64_t row, const std::vector<uint8_t>& roles);

  /// `role_kept_fraction_<level>` with the role as a condition, for every role that a token had,
  /// and the array `kept_by_role`. Nothing for a model that keeps everything by its nature.
  void write(Evaluation& out) const;

 private:
  const LanguageModel& model_;
  std::vector<std::string> names_;
  int64_t n_levels_;
  KeptHistogram counts_;
};

}  // namespace sublab
