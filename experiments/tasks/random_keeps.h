// Keep sets of the sizes that a model chose, drawn blindly: what its choice is worth.
#pragma once

#include "models/keeps.h"

namespace sublab {

/// Of every site and row of `chosen` as many tokens, at places drawn from `keys[row]` (a stream
/// each). Sites inside others select from as many tokens as before, of which they see others. A
/// token that the gate of the model gives no weight stays without one: it is a key, no more.
RecordedKeeps random_keeps(const RecordedKeeps& chosen, const std::vector<uint64_t>& keys);

}  // namespace sublab
