// Loss over retention, one curve per sweep.
#include <algorithm>

#include "analysis/figures/builders.h"
#include "analysis/study/compare.h"
#include "analysis/study/retention_sweep.h"
#include "analysis/text/format.h"

namespace sublab::figures {

void add_loss_against_retention(const StudyData& data, Report& report) {
  Figure figure;
  figure.id = "loss_against_retention";
  figure.title = "Held-out loss against retention";
  figure.x.label = "retention: share of its parent that a level keeps in training";
  figure.y.label = "held-out loss, nats per token";
  figure.caption = "Band: 95 % interval of each loss; that of a difference is narrower. ";
  size_t style = 0;
  for (const RetentionSweep& sweep : retention_sweeps(data)) {
    FigureSeries line, knee;
    line.name = sweep.name, line.style = style;
    knee.kind = FigureSeries::Kind::points;
    knee.name = sweep.name + ", knee", knee.style = style++;
    for (size_t v = 0; v < sweep.variants.size(); ++v) {
      const double x = sweep.retentions[v], y = sweep.losses[v];
      const Interval around = variant_loss(*sweep.variants[v]).interval.value_or(Interval{y, y});
      line.x.push_back(x), line.y.push_back(y);
      line.y_low.push_back(std::min(around.low, y));
      line.y_high.push_back(std::max(around.high, y));
      if (sweep.knee.retention == x) knee.x = {x}, knee.y = {y}, knee.labels = {"knee"};
    }
    figure.series.push_back(line);
    if (!knee.x.empty()) figure.series.push_back(knee);
    figure.caption += sweep.knee.retention
                          ? sweep.name + ": knee at " + significant(*sweep.knee.retention, 3) + ". "
                          : sweep.name + ": no knee (" + sweep.knee.no_knee + "). ";
  }
  while (figure.caption.ends_with(' ')) figure.caption.pop_back();
  add_if_any(figure, report);
}

}  // namespace sublab::figures
