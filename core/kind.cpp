// A choice of an entry, in its long and its short form.
#include "core/kind.h"

namespace sublab {

json read_choice(const json& given, const std::string& path, const std::string& usual) {
  if (given.is_string()) return json::object({{"type", given}});
  if (!given.is_object())
    fields_detail::throw_type(path, "a name, or an object with a \"type\"", given);
  json choice = given;
  if (!choice.contains("type")) choice["type"] = usual;
  if (!choice["type"].is_string())
    fields_detail::throw_type(path + "/type", "a string", choice["type"]);
  return choice;
}

std::string chosen_type(const json& choice) {
  if (choice.is_string()) return choice.get<std::string>();
  if (!choice.is_object() || !choice.contains("type") || !choice["type"].is_string()) return "";
  return choice["type"].get<std::string>();
}

}  // namespace sublab
