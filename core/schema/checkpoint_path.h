// How a checkpoint is named: its folder, or STUDY_DIR:VARIANT[@SEED], the variant of a study.
#pragma once

#include <string>

#include "core/files.h"

namespace sublab {

/// `given` has the form STUDY_DIR:VARIANT[@SEED], with the folder of a study before the colon.
bool names_variant(const std::string& given);

/// The folder that `given` names. Without a seed it is that of the study's first one. Throws
/// UserError with the nearest variant, the seeds that exist, or why there are no weights.
fs::path find_checkpoint(const std::string& given);

}  // namespace sublab
