// How a model's rotary positions are stretched, in words.
#pragma once

#include <string>
#include <vector>

#include "analysis/text/format.h"
#include "core/fields.h"

namespace sublab {

/// "yarn (beta_fast 32, ..., ramp code, truncate true)": what a model config says under "rope",
/// with every setting. "" where nothing is stretched.
inline std::string rope_text(const json& model) {
  const json rope = model.value("rope", json());
  if (!rope.is_object() || rope.value("type", "none") == "none") return "";
  std::vector<std::string> settings;
  for (const auto& [key, value] : rope.items()) {
    if (key == "type" || value.is_null()) continue;
    const std::string text = value.is_number_float() ? significant(value.get<double>(), 4)
                             : value.is_string()     ? value.get<std::string>()
                                                     : value.dump();
    settings.push_back(key + " " + text);
  }
  return rope.at("type").get<std::string>() + " (" + join(settings) + ")";
}

}  // namespace sublab
