// Files packed with gzip.
#pragma once

#include <string>

#include "core/files.h"

namespace sublab {

/// Unpacks gzip (also dictzip). Throws UserError when damaged.
std::string gunzip(const fs::path& path);

}  // namespace sublab
