// Does what a message tells its reader to do.
#pragma once

#include <string>

#include "tests/experiments/shell.h"

namespace sublab {

/// The command after "Go on with: ", or after a damaged record's name, as it stands in a message.
inline std::string hinted(const std::string& text, const std::string& before,
                          const std::string& after) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "echo no hint; false";
  return text.substr(begin + before.size(),
                     text.find(after, begin + before.size()) - begin - before.size());
}

/// Runs it in the workplace; what it prints is in hint_out.txt and hint_err.txt there.
inline Ran run_line(const Workplace& place, const std::string& line) {
  // Workplace::run puts the program's name between the two.
  return place.run("--version", "(" + line + ") >hint_out.txt 2>hint_err.txt || exit $?;");
}

}  // namespace sublab
