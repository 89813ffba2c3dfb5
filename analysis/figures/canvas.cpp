// Axes, ticks and marks of a plot as text, before gnuplot sees them.
#include "analysis/figures/canvas.h"

#include <algorithm>
#include <cmath>

#include "analysis/text/format.h"

namespace sublab {
namespace {

constexpr double kCharacterWidth = 7, kLineHeight = 17;  // of the legend's and the labels' font

double nice_step(double span, double marks) {
  const double rough = span / marks, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

struct Unit {
  double size;
  const char* name;
};

Unit unit_of(double value) {
  static const std::vector<Unit> units = {{1e15, " P"}, {1e12, " T"}, {1e9, " G"},
                                          {1e6, " M"},  {1e3, " k"},  {1, ""}};
  const auto fits = [&](const Unit& unit) { return std::abs(value) >= unit.size * 0.9999; };
  const auto it = std::find_if(units.begin(), units.end(), fits);
  return it == units.end() ? units.back() : *it;
}

std::vector<Tick> linear_ticks(const Scale& scale) {
  const double step = nice_step(scale.high - scale.low, 6);
  // Numbers that a double hardly holds leave no room for marks between them.
  if (!std::isfinite(step) || step <= std::abs(scale.low) * 1e-14 || step < 1e-300) return {};
  const double most = std::max(std::abs(scale.low), std::abs(scale.high));
  // Thousands that are whole stay as they are: 1500, not 1.5 k.
  const Unit unit = most < 10'000 ? Unit{1, ""} : unit_of(most);
  const int digits =
      std::max(0, static_cast<int>(-std::floor(std::log10(step / unit.size) + 1e-9)));
  std::vector<Tick> out;
  for (auto i = static_cast<int64_t>(std::ceil(scale.low / step - 1e-9));
       static_cast<double>(i) * step <= scale.high + 1e-9 * step; ++i) {
    const double at = static_cast<double>(i) * step;
    out.push_back({at, fixed(at / unit.size, digits) + (i == 0 ? "" : unit.name)});
  }
  return out;
}

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

Box box_of(const PlacedLabel& label) {
  const double width = kCharacterWidth * static_cast<double>(n_characters(label.text));
  const double left = label.anchor == PlacedLabel::Anchor::left     ? label.x
                      : label.anchor == PlacedLabel::Anchor::centre ? label.x - width / 2
                                                                    : label.x - width;
  return {left, label.y - 7, left + width, label.y + 7};
}

class LabelPlacer {
 public:
  LabelPlacer(const Figure& figure, const Canvas& canvas, const Scale& x, const Scale& y)
      : figure_(figure), canvas_(canvas), x_(x), y_(y) {
    for (const FigureSeries& series : figure.series) {
      if (series.kind == FigureSeries::Kind::guide) add_stairs(series);
      if (series.kind == FigureSeries::Kind::points) add_points(series);
    }
  }

  std::vector<PlacedLabel> place() {
    std::vector<PlacedLabel> out;
    for (const FigureSeries& series : figure_.series)
      for (size_t i = 0; i < series.labels.size(); ++i) {
        if (series.labels[i].empty()) continue;
        const double px = place_x(series.x[i]), py = place_y(series.y[i]);
        auto label = free_label(series.labels[i], px, py, true);
        if (!label) label = free_label(series.labels[i], px, py, false);
        if (!label) continue;
        taken_.push_back(box_of(*label));
        out.push_back(*label);
      }
    return out;
  }

 private:
  double place_x(double v) const {
    return canvas_.left + x_.share(v) * (canvas_.right - canvas_.left);
  }
  double place_y(double v) const {
    return canvas_.bottom - y_.share(v) * (canvas_.bottom - canvas_.top);
  }
  void add_bar(double x1, double y1, double x2, double y2) {
    const auto [left, right] = std::minmax({place_x(x1), place_x(x2)});
    const auto [top, bottom] = std::minmax({place_y(y1), place_y(y2)});
    bars_.push_back({left - 1, top - 1, right + 1, bottom + 1});
  }
  void add_stairs(const FigureSeries& series) {
    for (size_t i = 1; i < series.x.size(); ++i)
      if (series.x[i] == series.x[i - 1] || series.y[i] == series.y[i - 1])
        add_bar(series.x[i - 1], series.y[i - 1], series.x[i], series.y[i]);
  }
  void add_points(const FigureSeries& series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      const double px = place_x(series.x[i]), py = place_y(series.y[i]);
      taken_.push_back({px - 4, py - 4, px + 4, py + 4});
      if (!series.x_low.empty())
        add_bar(series.x_low[i], series.y[i], series.x_high[i], series.y[i]);
      if (!series.y_low.empty())
        add_bar(series.x[i], series.y_low[i], series.x[i], series.y_high[i]);
    }
  }

  /// The label at the first place around the point where it covers nothing; bars may be covered
  /// when there is no better place.
  std::optional<PlacedLabel> free_label(const std::string& text, double px, double py,
                                        bool clear_of_bars) const {
    using Anchor = PlacedLabel::Anchor;
    struct Offset {
      double x, y;
      Anchor anchor;
    };
    static const std::vector<Offset> offsets = {
        {8, 0, Anchor::left},     {-8, 0, Anchor::right},    {0, -13, Anchor::centre},
        {0, 13, Anchor::centre},  {7, -11, Anchor::left},    {7, 11, Anchor::left},
        {-7, -11, Anchor::right}, {-7, 11, Anchor::right},   {12, -19, Anchor::left},
        {12, 19, Anchor::left},   {-12, -19, Anchor::right}, {-12, 19, Anchor::right}};
    for (const Offset& offset : offsets) {
      const PlacedLabel label{text, px + offset.x, py + offset.y, offset.anchor};
      const Box box = box_of(label);
      const auto meets = [&](const Box& other) { return other.meets(box); };
      const bool inside = box.left >= canvas_.left && box.right <= canvas_.right &&
                          box.top >= canvas_.top && box.bottom <= canvas_.bottom;
      if (!inside || std::any_of(taken_.begin(), taken_.end(), meets)) continue;
      if (clear_of_bars && std::any_of(bars_.begin(), bars_.end(), meets)) continue;
      return label;
    }
    return std::nullopt;
  }

  const Figure& figure_;
  const Canvas& canvas_;
  const Scale &x_, &y_;
  std::vector<Box> taken_, bars_;
};

}  // namespace

double Scale::share(double value) const {
  return log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
}

Scale scale_of(const Figure& figure, bool horizontal) {
  const FigureAxis& axis = horizontal ? figure.x : figure.y;
  Scale out{INFINITY, -INFINITY, axis.log};
  for (const FigureSeries& series : figure.series)
    for (const auto* values : horizontal ? std::vector{&series.x, &series.x_low, &series.x_high}
                                         : std::vector{&series.y, &series.y_low, &series.y_high})
      for (const double value : *values) {
        out.low = std::min(out.low, value);
        out.high = std::max(out.high, value);
      }
  if (axis.high) out.high = std::min(out.high, *axis.high);
  if (out.log) {
    const double margin = std::max(1.05, std::pow(out.high / out.low, 0.05));
    return {out.low / margin, out.high * margin, true};
  }
  // Values that do not differ stand in the middle.
  const double span = out.high > out.low ? out.high - out.low : std::max(std::abs(out.low), 1.0);
  return {out.low - 0.05 * span, out.high + 0.05 * span, false};
}

std::vector<Tick> ticks_of(const Scale& scale) {
  if (!scale.log || scale.high / scale.low < 4) return linear_ticks(scale);
  const double decades = std::log10(scale.high / scale.low);
  const int every = decades > 6 ? 2 : 1;
  std::vector<Tick> out;
  for (int power = static_cast<int>(std::floor(std::log10(scale.low)));
       std::pow(10, power) <= scale.high; power += every)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double at = factor * std::pow(10, power);
      if (at < scale.low || at > scale.high || (decades > 2 && factor > 1)) continue;
      const Unit unit = unit_of(at);
      out.push_back({at, significant(at / unit.size, 3) + unit.name});
    }
  return out;
}

Canvas canvas_of(const Figure& figure) {
  constexpr double kLeft = 72, kTop = 14, kBelow = 56, kWide = 460, kHigh = 310;
  if (figure.heat_map) {
    const double high =
        std::clamp(44.0 * static_cast<double>(figure.heat_map->y_ticks.size()), 120.0, kHigh);
    return {kLeft + kWide + 120, kTop + high + kBelow, kLeft, kLeft + kWide + 100, kTop,
            kTop + high};
  }
  size_t longest = 0;
  for (const FigureSeries& series : figure.series)
    longest = std::max(longest, n_characters(series.name));
  const double legend_width = 62 + kCharacterWidth * static_cast<double>(longest);
  const double legend_height = kLineHeight * static_cast<double>(figure.series.size());
  const double high = std::max(kHigh, legend_height - kBelow + 10);
  return {
      kLeft + kWide + legend_width, kTop + high + kBelow, kLeft, kLeft + kWide, kTop, kTop + high};
}

std::vector<PlacedLabel> placed_labels(const Figure& figure, const Canvas& canvas, const Scale& x,
                                       const Scale& y) {
  LabelPlacer placer(figure, canvas, x, y);
  return placer.place();
}

}  // namespace sublab
