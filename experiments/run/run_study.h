// Runs a study: a process per trial, one atomic record each; run again, it does only what is
// missing.
#pragma once

#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"
#include "experiments/run/run_options.h"

namespace sublab {

/// Runs what is missing: a trial is done when its record says `ok`; others are tried again. Settles
/// the plan first (see study_folder.h). Throws UserError.
RunSummary run_study(const ResolvedStudy& resolved, const RunOptions& options,
                     const Catalog& catalog);

}  // namespace sublab
