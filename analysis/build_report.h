// From a study folder to its report.
#pragma once

#include "analysis/report/report.h"
#include "core/files.h"

namespace sublab {

/// Reads a study folder; of one that was only measured, its speed and its claims. Throws UserError
/// (no plan, neither records nor a measurement, damaged files).
Report build_report(const fs::path& study_folder);

/// Adds what the folder's speed measurement says, alone. Throws UserError when there is none.
void add_bench_report(const fs::path& study_folder, Report& report);

/// The last step of building: says once what never varies, and how to read what does.
void finish_tables(Report& report);

}  // namespace sublab
