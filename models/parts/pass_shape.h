// What a part of a layer is costed for.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace sublab {

/// Per row, `new_tokens` pass, each seeing `past_tokens` and its predecessors.
struct PassShape {
  int64_t layer = 0;
  int64_t level = 0;
  const std::vector<double>&new_tokens, &past_tokens;
  double reached = 1;  ///< probability that any token gets there, so that weights are read
  double bytes_per_number = 4;
  bool biased = false;  ///< keys carry a bias (LevelContext::key_bias)
  bool plain = false;   ///< as CostShape::plain

  double n_tokens() const { return std::accumulate(new_tokens.begin(), new_tokens.end(), 0.0); }
};

}  // namespace sublab
