// Files that a process left half-written when it was killed (see write_file_durably).
#pragma once

#include <string_view>

#include "core/files.h"

namespace sublab {

/// "NAME.tmpPID": what write_file_durably writes before it renames.
bool is_temporary_name(std::string_view file_name);

enum class Writers { gone, any };

/// Removes such files from `folder` (which may be missing), those only whose name begins with
/// `prefix`. Writers::gone leaves those of processes that run.
void remove_left_overs(const fs::path& folder, Writers writers, std::string_view prefix = "");

}  // namespace sublab
