// A literal of Python (dict, list, tuple, string, number, None, True, False) as JSON: AGIEval keeps
// its examples so.
#pragma once

#include <optional>
#include <string_view>

#include "core/fields.h"

namespace sublab {

/// Nothing where `text` is none. Bytes and sets are none here.
std::optional<json> parse_python_literal(std::string_view text);

}  // namespace sublab
