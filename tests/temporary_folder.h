// A folder that goes away with the test, and settings that do.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include "core/work_folder.h"

namespace sublab {

struct TemporaryFolder : WorkFolder {
  TemporaryFolder() : WorkFolder("sublab-test") {}
};

/// Sets an environment variable while it lives.
struct Setting {
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Setting() {
    if (old_)
      ::setenv(name_, old_->c_str(), 1);
    else
      ::unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// Points SUBLAB_CACHE at a folder while it lives.
struct TemporaryCache : TemporaryFolder {
  Setting setting{"SUBLAB_CACHE", path.string()};
};

}  // namespace sublab
