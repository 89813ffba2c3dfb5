// A list that must not name a value twice.
#pragma once

#include <string>

#include "core/fields.h"

namespace sublab {

/// Throws UserError at the second of two equal values of the list at `path`.
inline void check_distinct(const json& values, const std::string& path) {
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (values[i] == values[j])
        throw UserError(
            path + "/" + std::to_string(i),
            values[i].dump() + " is the value of entry " + std::to_string(j) + " already");
}

}  // namespace sublab
