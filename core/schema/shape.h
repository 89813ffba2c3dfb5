// What readers take for granted of JSON that is kept as it is: configurations, conditions,
// environments. Damage is then a user's error that names the place.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

enum class Kind { number, text, flag, object, names };

struct Shape {
  const char* pointer;  ///< from the root: "/train/tokens"
  Kind kind;
  bool needed = false;  ///< else it may be absent
};

/// Throws UserError "`where`/train/tokens: expected a number, got ...".
void check_shapes(const json& root, const std::string& where, const std::vector<Shape>& shapes);

/// The same for what a trial's resolved configuration must hold.
void check_config(const json& config, const std::string& where);

}  // namespace sublab
