// The text of an inspection as HTML: one span per token, shaded by classes that the page's style
// gives a meaning to.
#pragma once

#include <string>
#include <vector>

#include "analysis/inspection/inspection.h"

namespace sublab {

/// How values become steps of shading, 0 (none) to kShades - 1.
inline constexpr int kShades = 8;

struct Scale {
  double low = 0, high = 1;
  /// The step of `value`; those beyond the ends count as at the ends. -1 for kNone.
  int step(double value) const;
};

/// The scales of a page. Depth and loss have one for both readings, so that shades compare.
struct Shading {
  int64_t deepest = 0;                     ///< level
  Scale loss;                              ///< from 0
  double largest_difference = 0;           ///< of losses of one token; 0 = there is none to show
  std::vector<std::vector<Scale>> scores;  ///< [side][module]

  explicit Shading(const Inspection& inspection);
  /// 0 for depth 0, the darkest for the deepest level.
  int depth_step(int64_t depth) const;
  /// -3 to 3; negative where A is better.
  int difference_step(double difference) const;
};

/// Spans of class t with data-i (place), data-id, data-b (offset), data-d (depth), data-l (loss),
/// data-c (class of token), data-s and data-w (scores and weights by module), and data-t where the
/// token is not what the span shows. Tokens that share a character stand in one span of class g.
std::string inspected_text_html(const Inspection& inspection, size_t side, const Shading& shading);

}  // namespace sublab
