// Which names are temporary, and whose they are.
#include "core/temporary_files.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>
#include <vector>

namespace sublab {
namespace {

constexpr std::string_view kMark = ".tmp";

/// The process in a temporary name, or 0 when the name is none.
pid_t writer_of(std::string_view name) {
  const size_t mark = name.rfind(kMark);
  if (mark == std::string_view::npos || mark == 0) return 0;
  const std::string_view digits = name.substr(mark + kMark.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  return error == std::errc() && end == digits.data() + digits.size() && pid > 0 ? pid : 0;
}

}  // namespace

bool is_temporary_name(std::string_view file_name) { return writer_of(file_name) > 0; }

void remove_left_overs(const fs::path& folder, Writers writers, std::string_view prefix) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const pid_t writer = writer_of(name);
    if (writer == 0 || !name.starts_with(prefix)) continue;
    const bool lives = ::kill(writer, 0) == 0 || errno == EPERM;
    if (writers == Writers::any || !lives) found.push_back(entry->path());
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

}  // namespace sublab
