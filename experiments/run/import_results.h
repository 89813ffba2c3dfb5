// Results that were packed on another machine (bench/gpu/quarter_hour.sh), as folders here.
#pragma once

#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

/// One folder that came in.
struct ImportedFolder {
  fs::path path;
  bool is_study = false;  ///< else a folder of logs
  bool was_there = false;
  int64_t records = 0, planned = 0;
  bool has_bench = false;
};

/// Unpacks tar archives of folders gpu_NAME, together, and moves each under `into`. A folder with a
/// plan is a study: its report is made anew, and everything else in it must follow from its raw
/// data. A study that is there already may only grow: what it holds must come again, byte for byte.
/// Throws UserError, and has then changed nothing under `into` that was there, where an archive is
/// none, names a path outside itself, holds anything but files and folders, or is refused.
std::vector<ImportedFolder> import_results(const std::vector<fs::path>& archives,
                                           const fs::path& into);

}  // namespace sublab
