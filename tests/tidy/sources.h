// The tree's sources, as the conventions' tests read them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/files.h"

namespace sublab::tidy {

inline const fs::path kRoot = SUBLAB_SOURCE_ROOT;

struct Source {
  fs::path path;  // relative to the root
  std::vector<std::string> lines;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// Every file of C++ and CUDA, in order of its path.
inline std::vector<Source> sources() {
  std::vector<Source> out;
  for (const char* folder :
       {"core", "data", "models", "baselines", "experiments", "analysis", "bench", "tests"}) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const auto ending = entry.path().extension();
      if (ending == ".cpp" || ending == ".h" || ending == ".cu" || ending == ".cuh")
        out.push_back({fs::relative(entry.path(), kRoot), lines_of(read_file(entry.path()))});
    }
  }
  std::sort(out.begin(), out.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return out;
}

}  // namespace sublab::tidy
