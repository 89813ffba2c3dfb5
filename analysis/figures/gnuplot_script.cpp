// A figure as gnuplot's commands and inline data.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "analysis/figures/canvas.h"
#include "analysis/figures/gnuplot.h"
#include "analysis/text/format.h"
#include "core/error.h"

namespace sublab {
namespace {

/// Colours of text, axes and grid. In SVG they only mark what themed_svg gives the page's colours.
struct Palette {
  const char *ink, *soft, *line;
};
constexpr Palette kSvgPalette = {"#010203", "#040506", "#070809"};
constexpr Palette kPdfPalette = {"#000000", "#404040", "#d0d0d0"};

// Okabe and Ito 2008, apart for colour-blind readers, without their yellow, which white paper
// swallows. The first one is the ink. Seven colours, five dashes and thirteen marks: combinations
// repeat after 455 series.
constexpr const char* kColours[] = {nullptr,   "#0072b2", "#d55e00", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9"};
constexpr int kDashes[] = {1, 2, 4, 5, 3};
constexpr int kMarks[] = {7, 5, 9, 13, 11, 6, 4, 8, 12, 10, 15, 2, 1};
constexpr const char* kCellColour = "#0072b2";

/// Text in gnuplot's single quotes, where nothing but the quote itself has a meaning.
std::string in_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text)
    out += c == '\'' ? std::string("''") : std::string(1, c == '\n' || c == '\r' ? ' ' : c);
  return out + "'";
}

/// The same for tick marks, which take '%' for a number format.
std::string tick_in_quotes(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
  return in_quotes(out);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

class Script {
 public:
  Script(const Figure& figure, FigureForm form)
      : figure_(figure),
        canvas_(canvas_of(figure)),
        palette_(form == FigureForm::svg ? kSvgPalette : kPdfPalette) {}

  std::string text(FigureForm form, const fs::path& output) {
    set_terminal(form, output);
    set_frame();
    if (figure_.heat_map)
      heat_map(*figure_.heat_map);
    else
      plot_series();
    return out_;
  }

 private:
  void line(const std::string& text) { out_ += text + "\n"; }
  std::string coloured(const char* colour) const { return " rgb '" + std::string(colour) + "'"; }
  std::string screen_x(double x) const { return number(x / canvas_.width); }
  std::string screen_y(double y) const { return number(1 - y / canvas_.height); }

  void set_terminal(FigureForm form, const fs::path& output) {
    line("set encoding utf8");
    if (form == FigureForm::svg)
      line("set terminal svg size " + number(std::round(canvas_.width)) + "," +
           number(std::round(canvas_.height)) +
           " dynamic noenhanced rounded dashed font 'sans-serif,12'");
    else  // 120 units to the inch
      line("set terminal pdfcairo size " + number(canvas_.width / 120) + "in," +
           number(canvas_.height / 120) +
           "in noenhanced rounded dashed linewidth 0.6 fontscale 0.75 font 'Sans,7.2'");
    line("set output " + in_quotes(output.string()));
  }

  void set_frame() {
    line("set lmargin at screen " + screen_x(canvas_.left));
    line("set rmargin at screen " + screen_x(canvas_.right));
    line("set tmargin at screen " + screen_y(canvas_.top));
    line("set bmargin at screen " + screen_y(canvas_.bottom));
    line("set tics nomirror out scale 0.5 textcolor" + coloured(palette_.soft));
    // Axis titles by hand: gnuplot would move them with the width of the tick marks.
    line("set label 1 " + in_quotes(figure_.x.label) + " at screen " +
         screen_x((canvas_.left + canvas_.right) / 2) + ",screen " + screen_y(canvas_.height - 13) +
         " center textcolor" + coloured(palette_.ink));
    line("set label 2 " + in_quotes(figure_.y.label) + " at screen " + screen_x(13) + ",screen " +
         screen_y((canvas_.top + canvas_.bottom) / 2) + " center rotate by 90 textcolor" +
         coloured(palette_.ink));
  }

  void set_axis(const char* name, const Scale& scale) {
    const std::string axis = name;
    line("set " + axis + "range [" + number(scale.low) + ":" + number(scale.high) + "]");
    if (scale.log) line("set logscale " + axis + " 10");
    std::string marks;
    for (const Tick& tick : ticks_of(scale))
      marks += (marks.empty() ? "" : ", ") + tick_in_quotes(tick.text) + " " + number(tick.at);
    line("set " + axis + "tics (" + marks + ")");
  }

  std::string colour_of(size_t style) const {
    const char* colour = kColours[style % 7];
    return colour ? colour : palette_.ink;
  }

  /// One line of data per point: x, y, x_low, x_high, y_low, y_high.
  void data_block(size_t i) {
    const FigureSeries& series = figure_.series[i];
    const auto at = [](const std::vector<double>& list, const std::vector<double>& otherwise,
                       size_t p) { return number(list.empty() ? otherwise[p] : list[p]); };
    line("$d" + std::to_string(i) + " << EOD");
    for (size_t p = 0; p < series.x.size(); ++p)
      line(number(series.x[p]) + " " + number(series.y[p]) + " " + at(series.x_low, series.x, p) +
           " " + at(series.x_high, series.x, p) + " " + at(series.y_low, series.y, p) + " " +
           at(series.y_high, series.y, p));
    line("EOD");
  }

  std::string plot_part(size_t i) const {
    const FigureSeries& series = figure_.series[i];
    const std::string data = "$d" + std::to_string(i) + " using ";
    const std::string colour = " lc" + coloured(colour_of(series.style).c_str());
    const std::string dash = " dt " + std::to_string(kDashes[series.style % 5]);
    const std::string mark = " pt " + std::to_string(kMarks[series.style % 13]);
    const std::string title = " title " + in_quotes(series.name);
    if (series.kind == FigureSeries::Kind::guide)
      return data + "1:2 with lines lw 1.3 lc" + coloured(palette_.soft) + dash + title;
    if (series.kind == FigureSeries::Kind::line) {
      const size_t every = std::max<size_t>(1, series.x.size() / 8);
      return data + "1:2 with linespoints lw 1.6 ps 0.55 pi " + std::to_string(every) + colour +
             dash + mark + title;
    }
    std::string out;
    if (!series.x_low.empty() || !series.y_low.empty())
      out = data + "1:2:3:4:5:6 with xyerrorbars lw 1 pt 0 dt 1" + colour + " notitle, \\\n  ";
    return out + data + "1:2 with points lw 1.4 ps 0.9" + colour + mark + title;
  }

  /// Bands lie under everything; many of them are drawn thinner.
  std::vector<std::string> bands() const {
    const auto has_band = [](const FigureSeries& series) {
      return series.kind == FigureSeries::Kind::line && !series.y_low.empty();
    };
    const auto n = std::count_if(figure_.series.begin(), figure_.series.end(), has_band);
    std::vector<std::string> out;
    for (size_t i = 0; i < figure_.series.size(); ++i)
      if (has_band(figure_.series[i]))
        out.push_back("$d" + std::to_string(i) + " using 1:5:6 with filledcurves fc" +
                      coloured(colour_of(figure_.series[i].style).c_str()) +
                      " fs transparent solid " + (n > 6 ? "0.07" : "0.14") + " noborder notitle");
    return out;
  }

  void plot_series() {
    const Scale x = scale_of(figure_, true), y = scale_of(figure_, false);
    set_axis("x", x);
    set_axis("y", y);
    line("set border 3 lw 1 lc" + coloured(palette_.soft));
    line("set grid lt 1 lw 0.8 lc" + coloured(palette_.line));
    line("set errorbars small");
    line("set key at screen " + screen_x(canvas_.right + 12) + ",screen " +
         screen_y(canvas_.top - 4) + " left top Left reverse samplen 2.4 spacing 1.15 textcolor" +
         coloured(palette_.ink));
    for (const PlacedLabel& label : placed_labels(figure_, canvas_, x, y))
      line("set label " + in_quotes(label.text) + " at screen " + screen_x(label.x) + ",screen " +
           screen_y(label.y) +
           (label.anchor == PlacedLabel::Anchor::left     ? " left"
            : label.anchor == PlacedLabel::Anchor::centre ? " center"
                                                          : " right") +
           " front textcolor" + coloured(palette_.soft));
    for (size_t i = 0; i < figure_.series.size(); ++i) data_block(i);
    std::vector<std::string> parts = bands();
    for (size_t i = 0; i < figure_.series.size(); ++i) parts.push_back(plot_part(i));
    line("plot " + join(parts, ", \\\n  "));
  }

  void heat_map(const HeatMap& map) {
    const auto set_ticks = [&](const char* axis, const std::vector<std::string>& names) {
      line("set " + std::string(axis) + "range [0:" + std::to_string(names.size()) + "]");
      std::string marks;
      for (size_t i = 0; i < names.size(); ++i)
        marks += (i ? ", " : "") + tick_in_quotes(names[i]) + " " + number(double(i) + 0.5);
      line("set " + std::string(axis) + "tics scale 0 (" + marks + ")");
    };
    set_ticks("x", map.x_ticks);
    set_ticks("y", map.y_ticks);
    line("set border 15 lw 1 lc" + coloured(palette_.soft));
    for (size_t r = 0; r < map.rows.size(); ++r)
      for (size_t c = 0; c < map.rows[r].size(); ++c) {
        const auto& value = map.rows[r][c];
        const std::string centre = number(double(c) + 0.5) + "," + number(double(r) + 0.5);
        // Thin colour over the page's own, so that the text stays readable on light and dark.
        if (value)
          line("set object rectangle from " + std::to_string(c) + "," + std::to_string(r) + " to " +
               std::to_string(c + 1) + "," + std::to_string(r + 1) + " back fc" +
               coloured(kCellColour) + " fs transparent solid " + number(0.04 + 0.56 * *value) +
               " noborder");
        line("set label " + in_quotes(value ? fixed(*value, 2) : "–") + " at " + centre +
             " center front textcolor" + coloured(palette_.ink));
      }
    line("plot NaN notitle");
  }

  const Figure& figure_;
  Canvas canvas_;
  Palette palette_;
  std::string out_;
};

}  // namespace

std::string gnuplot_script(const Figure& figure, FigureForm form, const fs::path& output) {
  return Script(figure, form).text(form, output);
}

}  // namespace sublab
