// Reading JSON of which a part is large and not asked for.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// parse_json without the values of the second level that `left_out` names ("audit/checks"): they
/// are read, but not kept, and text in them is not checked.
json parse_json_without(const std::string& text, const std::string& where,
                        const std::vector<std::string>& left_out);

}  // namespace sublab
