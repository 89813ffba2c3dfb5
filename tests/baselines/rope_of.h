// Ropes of the catalog, made as a model would make them.
#pragma once

#include <memory>

#include "models/parts/scaled_rope.h"
#include "tests/models/small_models.h"

namespace sublab {

/// The rope of a choice. Throws UserError.
inline std::shared_ptr<const FrequencyRope> rope_of(const json& choice, int64_t head_dim,
                                                    double theta) {
  const auto& ropes = tree_catalog().parts.ropes;
  const json resolved = resolve_choice(ropes, "rope", choice, "/model/rope", "none");
  auto rope =
      make_choice(ropes, "rope", resolved, "/model/rope", {.head_dim = head_dim, .theta = theta});
  return std::dynamic_pointer_cast<const FrequencyRope>(rope);
}

/// `type` with the settings that it needs: a factor, and a window where it has one.
inline json rope_choice(const std::string& type, double factor, int64_t original_len) {
  json out = {{"type", type}, {"factor", factor}};
  if (type != "linear" && type != "ntk") out["original_context_len"] = original_len;
  return out;
}

}  // namespace sublab
