// A folder that goes away with the test.
#pragma once

#include <cstdlib>
#include <string>

#include "core/files.h"

namespace sublab {

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "sublab-test.XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

/// Points SUBLAB_CACHE at a folder while it lives.
struct TemporaryCache : TemporaryFolder {
  TemporaryCache() {
    if (const char* old = std::getenv("SUBLAB_CACHE")) old_ = old;
    ::setenv("SUBLAB_CACHE", path.c_str(), 1);
  }
  ~TemporaryCache() {
    if (old_.empty())
      ::unsetenv("SUBLAB_CACHE");
    else
      ::setenv("SUBLAB_CACHE", old_.c_str(), 1);
  }

 private:
  std::string old_;
};

}  // namespace sublab
