// Commands that messages name, so that they can be copied into a shell as they are.
#pragma once

#include <string>

#include "core/files.h"

namespace sublab {

/// The program as the user started it ($SUBLAB_COMMAND), else "sublab".
std::string command_name();

/// `word`, quoted where a shell would take it apart.
std::string shell_word(const std::string& word);

/// The command that goes on with the study kept in `study_folder`: what is missing is done.
std::string rerun_command(const fs::path& study_folder);

}  // namespace sublab
