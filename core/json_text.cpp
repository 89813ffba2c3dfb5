// Writes the outer levels line by line and leaves the rest to the library.
#include "core/json_text.h"

namespace sublab {
namespace {

void write(const nlohmann::json& value, int depth, int level, std::string& out) {
  if (!value.is_structured() || value.empty() || level == depth) {
    out += value.dump();
    return;
  }
  const std::string indent(static_cast<size_t>(level) + 1, ' ');
  out += value.is_object() ? "{" : "[";
  bool first = true;
  for (const auto& [key, each] : value.items()) {
    out += (first ? "\n" : ",\n") + indent;
    first = false;
    if (value.is_object()) out += nlohmann::json(key).dump() + ": ";
    write(each, depth, level + 1, out);
  }
  out += "\n" + indent.substr(1) + (value.is_object() ? "}" : "]");
}

}  // namespace

std::string json_text(const nlohmann::json& value, int depth) {
  std::string out;
  write(value, depth, 0, out);
  return out + "\n";
}

std::string unquoted(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace sublab
