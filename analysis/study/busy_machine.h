// Whether a trial was timed on a machine that had something else to do.
#pragma once

#include <string>

#include "analysis/study/study_data.h"

namespace sublab {

struct BusyMachine {
  double degree = 0;  ///< share of the time that training may have lost
  std::string text;   ///< what shows it
};

/// Training is called timed on a busy machine when its threads, ready to run, had no core for a
/// tenth of the time; when its one thread ran for less than nine tenths of the wall time; and,
/// where the record does not say how long it waited, when the load (at start and end, as far as
/// known) passed the cores by a half.
std::optional<BusyMachine> busy_machine(const Record& record);

bool timed_on_busy_machine(const VariantData& variant);

/// What to say under a time of this study that was taken on a busy machine.
std::string busy_note(const StudyData& data);

}  // namespace sublab
