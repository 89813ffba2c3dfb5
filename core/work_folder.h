// A folder for intermediate files.
#pragma once

#include <unistd.h>

#include <cstdlib>

#include "core/error.h"
#include "core/files.h"

namespace sublab {

/// A new folder among the system's temporary files, which goes away with the object. Throws
/// UserError when it cannot be made.
struct WorkFolder {
  explicit WorkFolder(const std::string& name) {
    std::error_code error;
    const fs::path all = fs::temp_directory_path(error);
    if (error) throw UserError("TMPDIR", "names no folder; set it to one, or unset it");
    std::string pattern = (all / (name + ".XXXXXX")).string();
    if (!::mkdtemp(pattern.data())) throw UserError(pattern, "cannot make a temporary folder");
    path = pattern;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  fs::path path;
};

}  // namespace sublab
