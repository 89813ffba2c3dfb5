// Random numbers of simulated studies.
#pragma once

#include <cmath>
#include <numbers>

#include "core/random.h"

namespace sublab {

/// Standard normal, by Box and Muller.
inline double normal(RandomSequence& random) {
  return std::sqrt(-2 * std::log(1 - random.uniform())) *
         std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace sublab
