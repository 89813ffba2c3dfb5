// Where things stand in a drawn figure: ranges, ticks and free places for labels.
#pragma once

#include <string>
#include <vector>

#include "analysis/report/figure.h"

namespace sublab {

struct Tick {
  double at;
  std::string text;
};

/// The numbers that an axis covers, and its marks.
struct Scale {
  double low = 0, high = 1;
  bool log = false;
  /// Place of `value` between low (0) and high (1).
  double share(double value) const;
};

/// The range of all x (or y) of the series, bars and bands, with a margin.
Scale scale_of(const Figure& figure, bool horizontal);

/// About five marks at round numbers: 1, 2 or 5 times a power of ten.
std::vector<Tick> ticks_of(const Scale& scale);

/// Sizes in units of the SVG's view box.
struct Canvas {
  double width, height, left, right, top, bottom;  ///< `right` and `bottom` are coordinates
};
Canvas canvas_of(const Figure& figure);

/// A text beside a point: its left, middle or right end at (x, y).
struct PlacedLabel {
  enum class Anchor { left, centre, right };
  std::string text;
  double x, y;
  Anchor anchor;
};

/// Labels of the points where they cover neither each other nor a point; a label without a free
/// place is left out (the legend has it).
std::vector<PlacedLabel> placed_labels(const Figure& figure, const Canvas& canvas, const Scale& x,
                                       const Scale& y);

}  // namespace sublab
