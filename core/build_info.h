// Which code and which compiler made this program.
#pragma once

#include <string>

namespace sublab {

struct BuildInfo {
  std::string commit;  ///< full hash, or "unknown" outside a git checkout
  bool dirty;          ///< the tree had changes that were not committed
  std::string compiler, flags, build_type, libtorch_version;
};

const BuildInfo& build_info();

}  // namespace sublab
