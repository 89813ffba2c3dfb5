// From a package to a corpus on this machine's disk.
#pragma once

#include "data/sources/sources.h"

namespace sublab {

/// Downloads the package, unpacks it (no root needed), extracts and writes the corpus. Does nothing
/// when it is prepared already. Throws UserError when apt cannot deliver the package.
void prepare_source(const Source& source);

}  // namespace sublab
