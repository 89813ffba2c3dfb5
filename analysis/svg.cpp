#include "analysis/svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "analysis/format.h"

namespace sublab {
namespace {

// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), then dashes.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9"};
constexpr double kWidth = 640, kHeight = 360, kLeft = 60, kRight = 170, kTop = 16, kBottom = 48;

struct Axis {
  double low, high, from, to;
  double place(double v) const { return from + (v - low) / (high - low) * (to - from); }
};

double nice_step(double span) {
  const double rough = span / 5, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

Axis axis_over(double low, double high, double from, double to) {
  if (high <= low) high = low + 1;
  const double margin = 0.04 * (high - low);
  return {low - margin, high + margin, from, to};
}

std::string coordinate(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

std::string line_tag(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1='" + coordinate(x1) + "' y1='" + coordinate(y1) + "' x2='" + coordinate(x2) +
         "' y2='" + coordinate(y2) + "' " + style + "/>";
}

std::string text_tag(double x, double y, const std::string& anchor, const std::string& text,
                     const std::string& more = "") {
  return "<text x='" + coordinate(x) + "' y='" + coordinate(y) + "' text-anchor='" + anchor + "' " +
         more + ">" + escaped(text) + "</text>";
}

std::string ticks(const Axis& axis, bool horizontal) {
  std::string out;
  const double step = nice_step(axis.high - axis.low);
  for (double v = std::ceil(axis.low / step) * step; v <= axis.high; v += step) {
    const double at = axis.place(v);
    const std::string label = si_text(std::abs(v) < step / 1e6 ? 0 : v);
    if (horizontal)
      out += line_tag(at, kTop, at, kHeight - kBottom, "class='grid'") +
             text_tag(at, kHeight - kBottom + 16, "middle", label);
    else
      out += line_tag(kLeft, at, kWidth - kRight, at, "class='grid'") +
             text_tag(kLeft - 6, at + 4, "end", label);
  }
  return out;
}

std::string line_shape(const Figure& figure, size_t i, const Axis& x, const Axis& y) {
  const Figure::Line& line = figure.lines[i];
  const std::string colour = kColours[i % 6];
  std::string out, path;
  for (size_t p = 0; p < line.x.size(); ++p) {
    const double px = x.place(line.x[p]), py = y.place(line.y[p]);
    if (figure.points)
      out += "<circle cx='" + coordinate(px) + "' cy='" + coordinate(py) + "' r='4.5' fill='" +
             colour + "'/>";
    else
      path += (p ? " " : "") + coordinate(px) + "," + coordinate(py);
  }
  if (!path.empty())
    out += "<polyline fill='none' stroke-width='2' stroke='" + colour + "'" +
           (i >= 6 ? " stroke-dasharray='5 4'" : "") + " points='" + path + "'/>";
  const double key_y = kTop + 8 + 18 * static_cast<double>(i);
  out += line_tag(
      kWidth - kRight + 12, key_y, kWidth - kRight + 34, key_y,
      "stroke='" + colour + "' stroke-width='3'" + (i >= 6 ? " stroke-dasharray='5 4'" : ""));
  return out + text_tag(kWidth - kRight + 40, key_y + 4, "start", line.name);
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '&'    ? std::string("&amp;")
           : c == '<'  ? std::string("&lt;")
           : c == '>'  ? std::string("&gt;")
           : c == '"'  ? std::string("&quot;")
           : c == '\'' ? std::string("&#39;")
                       : std::string(1, c);
  return out;
}

std::string figure_as_svg(const Figure& figure) {
  double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
  for (const Figure::Line& line : figure.lines)
    for (size_t p = 0; p < line.x.size(); ++p) {
      x_low = std::min(x_low, line.x[p]), x_high = std::max(x_high, line.x[p]);
      y_low = std::min(y_low, line.y[p]), y_high = std::max(y_high, line.y[p]);
    }
  if (figure.diagonal)
    x_low = y_low = std::min({x_low, y_low, 1.0}), x_high = y_high = std::max(x_high, y_high);
  const Axis x = axis_over(x_low, x_high, kLeft, kWidth - kRight),
             y = axis_over(y_low, y_high, kHeight - kBottom, kTop);
  std::string out = "<svg viewBox='0 0 640 360' role='img' aria-label='" + escaped(figure.title) +
                    "'>" + ticks(x, true) + ticks(y, false);
  if (figure.diagonal)
    out += line_tag(x.place(x.low), y.place(x.low), x.place(x.high), y.place(x.high),
                    "class='axis' stroke-dasharray='3 3'");
  for (size_t i = 0; i < figure.lines.size(); ++i) out += line_shape(figure, i, x, y);
  out += text_tag((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", figure.x_label);
  out += text_tag(-(kTop + kHeight - kBottom) / 2, 14, "middle", figure.y_label,
                  "transform='rotate(-90)'");
  return out + "</svg>";
}

}  // namespace sublab
