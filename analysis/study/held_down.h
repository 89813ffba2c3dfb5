// Whether a card was held down while it was measured.
#pragma once

#include <string>

#include "core/fields.h"

namespace sublab {

/// What a measurement's `card` says against its numbers: reasons other than idleness and clocks
/// that someone set, and an SM clock that moved by more than three hundredths while work was under
/// way. "" where it says nothing, or there is no card.
std::string held_down(const json& card);

}  // namespace sublab
