// JSON as text that people and version control can read, and that does not waste space.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sublab {

/// One line per entry down to `depth` levels; what lies deeper stands on its entry's line.
std::string json_text(const nlohmann::json& value, int depth);

/// As a reader writes it: a string without its quotes, anything else as JSON.
std::string unquoted(const nlohmann::json& value);

}  // namespace sublab
