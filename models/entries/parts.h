// The interchangeable parts that architectures are built from; a value, handed down.
#pragma once

#include "models/entries/attention.h"
#include "models/selection/router.h"

namespace sublab {

struct Parts : SelectionParts, AttentionTables {};

}  // namespace sublab
