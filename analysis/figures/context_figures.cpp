// Speed-up by context: where a variant begins to be faster.
#include <algorithm>

#include "analysis/figures/builders.h"
#include "analysis/study/break_even.h"
#include "analysis/text/format.h"

namespace sublab::figures {
namespace {

FigureSeries line_of(const SpeedCurve& curve, size_t style) {
  FigureSeries out;
  out.name = curve.variant;
  out.style = style;
  out.x = curve.contexts;
  bool bands = true;
  for (const Estimate& ratio : curve.speed_ups) {
    out.y.push_back(ratio.value);
    bands = bands && ratio.interval.has_value();
    if (!bands) continue;
    out.y_low.push_back(ratio.interval->low);
    out.y_high.push_back(ratio.interval->high);
  }
  if (!bands) out.y_low.clear(), out.y_high.clear();
  return out;
}

std::string break_even_text(const SpeedCurve& curve) {
  const Crossing at = break_even(curve).median;
  const std::string context = si_text(at.context);
  if (at.where == Crossing::Where::from_start) return curve.variant + ": below " + context + ". ";
  if (at.where == Crossing::Where::nowhere) return curve.variant + ": none up to " + context + ". ";
  return curve.variant + ": " + context + ". ";
}

Figure figure_of(const SpeedCurve& curve, const std::string& reference) {
  Figure out;
  const std::string batch = std::to_string(curve.batch);
  out.id = safe_id("speedup_by_context_" + curve.mode + "_" + batch + "_" + curve.dtype);
  out.title = "Speed-up by context: " + curve.mode + ", batch " + batch + ", " + curve.dtype;
  out.caption = "Against " + reference +
                "; band: 95 % interval of the median of paired rounds. Break-even context: ";
  out.x = {"context, tokens", true, {}};
  out.y.label = "times as fast";
  return out;
}

void add_ones(Figure& figure) {
  FigureSeries ones;
  ones.kind = FigureSeries::Kind::guide;
  ones.name = "as fast";
  ones.style = 1;
  double low = figure.series.front().x.front(), high = low;
  for (const FigureSeries& series : figure.series)
    low = std::min(low, series.x.front()), high = std::max(high, series.x.back());
  ones.x = {low, high};
  ones.y = {1, 1};
  figure.series.push_back(ones);
}

}  // namespace

void add_speed_by_context(const StudyData& data, Report& report) {
  if (!data.bench) return;
  std::vector<Figure> found;
  for (const SpeedCurve& curve : speed_curves(*data.bench)) {
    const Figure empty = figure_of(curve, data.bench->compare_to);
    auto figure =
        std::find_if(found.begin(), found.end(), [&](const Figure& f) { return f.id == empty.id; });
    if (figure == found.end()) figure = found.insert(found.end(), empty);
    size_t style = 0;
    while (style < data.variants.size() && data.variants[style].name != curve.variant) ++style;
    figure->series.push_back(line_of(curve, style));
    figure->caption += break_even_text(curve);
  }
  for (Figure& figure : found) {
    figure.caption.pop_back();
    add_ones(figure);
    report.figures.push_back(figure);
  }
}

}  // namespace sublab::figures
