// Pairs of query and key among the new tokens of a row, as the ledger counts them.
#pragma once

#include <algorithm>

namespace sublab {

struct TokenPairs {
  double causal = 0, square = 0;
};

/// Of `t` tokens. Below one, t is the probability that a token comes, which then sees itself.
inline TokenPairs pairs_among(double t) {
  const double seen = std::max(t, 1.0);
  return {.causal = t * (seen + 1) / 2, .square = t * seen};
}

}  // namespace sublab
