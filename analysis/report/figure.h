// A figure as plain values: what is drawn, not how. gnuplot draws it (analysis/gnuplot.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sublab {

struct FigureAxis {
  std::string label;
  bool log = false;            ///< base 10; all values must be above 0
  std::optional<double> high;  ///< where the axis ends though values go on
};

/// One entry of the legend. `low` and `high` lists are empty or as long as x and y.
struct FigureSeries {
  enum class Kind {
    line,    ///< y_low and y_high make a band around it
    points,  ///< the lists make error bars
    guide    ///< not measured: a diagonal, a front, a ceiling
  };
  Kind kind = Kind::line;
  std::string name;
  /// Colour, dash and mark. A variant has the same in every figure of a report: its place in the
  /// plan.
  size_t style = 0;
  std::vector<double> x, y;
  std::vector<double> x_low, x_high, y_low, y_high;
  std::vector<std::string> labels;  ///< written beside the points; empty, or one each ("" = none)
};

/// A matrix of shares in [0, 1]; row 0 stands at the bottom.
struct HeatMap {
  std::vector<std::string> x_ticks, y_ticks;             ///< one per column, one per row
  std::vector<std::vector<std::optional<double>>> rows;  ///< [y][x]; nothing = no data
};

struct Figure {
  std::string id;  ///< letters, digits and '_': the name of its file
  std::string title;
  std::string caption;  ///< what points, bars and bands stand for
  FigureAxis x, y;
  std::vector<FigureSeries> series;
  std::optional<HeatMap> heat_map;  ///< instead of series
};

}  // namespace sublab
