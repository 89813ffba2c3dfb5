// Commands as a user would type them, for messages that say what to do.
#include "core/hints.h"

#include <cstdlib>

namespace sublab {

std::string command_name() {
  const char* name = std::getenv("SUBLAB_COMMAND");
  return name && *name ? shell_word(name) : "sublab";
}

std::string shell_word(const std::string& word) {
  const bool plain =
      word.find_first_of(" \t\n'\"\\$*?[]{}()<>|&;#~!`") == std::string::npos && !word.empty();
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string rerun_command(const fs::path& study_folder) {
  const fs::path folder = study_folder.empty() ? fs::path(".") : study_folder;
  return command_name() + " run " + shell_word((folder / "study.json").string()) + " --out " +
         shell_word(folder.string());
}

}  // namespace sublab
