// Resolves every configuration of a study.
#pragma once

#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"

namespace sublab {

/// Throws UserError for every mistake that shows before trials run, where it stands: in the base,
/// in a variant, in a probe.
ResolvedStudy resolve_study(const Study& study, const Catalog& catalog);

/// Names of the corpora that its trials read, probes and tuning included.
std::vector<std::string> corpora_of(const ResolvedStudy& resolved);

}  // namespace sublab
