// The trials of a study one by one: what a script takes that makes its own statistics.
#pragma once

#include <string>

#include "analysis/study/study_data.h"

namespace sublab {

/// A line per trial and seed, of probes and of those that did not end well, too: what it is, how it
/// ended, its configuration in dotted keys, every metric, times, machine. Fields that a trial has
/// not are empty.
std::string trials_as_csv(const StudyData& data);
/// The same as an object a line; a metric has its conditions, and null where it could not be
/// measured.
std::string trials_as_json_lines(const StudyData& data);

}  // namespace sublab
