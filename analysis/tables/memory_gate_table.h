// The part of a report that says what heads give a compressive memory.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Adds the table of the gates of each layer after training; nothing where no variant has a memory.
void add_memory_gate_table(const StudyData& data, Report& report);

}  // namespace sublab
