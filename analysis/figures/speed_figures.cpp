// Measured speed against what the ledger and the machine allow.
#include <algorithm>
#include <map>
#include <set>

#include "analysis/figures/builders.h"
#include "analysis/statistics/statistics.h"
#include "analysis/text/format.h"
#include "core/schema/calibration.h"

namespace sublab::figures {
namespace {

/// Place of the variant in the plan.
size_t style_of(const StudyData& data, const std::string& variant) {
  for (size_t v = 0; v < data.variants.size(); ++v)
    if (data.variants[v].name == variant) return v;
  return data.variants.size();
}

FigureSeries& series_of(Figure& figure, const StudyData& data, const std::string& variant) {
  for (FigureSeries& series : figure.series)
    if (series.name == variant) return series;
  figure.series.emplace_back();
  figure.series.back().kind = FigureSeries::Kind::points;
  figure.series.back().name = variant;
  figure.series.back().style = style_of(data, variant);
  return figure.series.back();
}

FigureSeries guide(const std::string& name, size_t style, std::vector<double> x,
                   std::vector<double> y) {
  FigureSeries out;
  out.kind = FigureSeries::Kind::guide;
  out.name = name;
  out.style = style;
  out.x = std::move(x);
  out.y = std::move(y);
  return out;
}

void add_diagonal(Figure& figure) {
  double low = 1, high = 1;  // the reference's own place is part of it
  for (const FigureSeries& series : figure.series)
    for (const double ideal : series.x) low = std::min(low, ideal), high = std::max(high, ideal);
  figure.series.push_back(guide("measured = ideal", 1, {low, high}, {low, high}));
}

std::string condition_text(const BenchMeasurement& measurement) {
  return std::to_string(measurement.context) + " × " + std::to_string(measurement.batch);
}

/// The machine's ceilings for what a figure shows, or nothing.
struct Ceilings {
  double flops_per_s = 0, bytes_per_s = 0;
};

/// The best product in any of the number formats.
std::optional<Ceilings> ceilings_of(const json& calibration, const std::set<std::string>& dtypes) {
  Ceilings out;
  for (const std::string& dtype : dtypes)
    if (const auto best = matmul_ceiling(calibration, dtype))
      out.flops_per_s = std::max(out.flops_per_s, best->per_s);
  if (const auto read = read_ceiling(calibration)) out.bytes_per_s = read->per_s;
  return out.flops_per_s > 0 && out.bytes_per_s > 0 ? std::optional(out) : std::nullopt;
}

void add_ceilings(Figure& figure, const Ceilings& ceilings) {
  const double ridge = ceilings.flops_per_s / ceilings.bytes_per_s;
  double low = ridge / 4, high = ridge * 4;
  for (const FigureSeries& series : figure.series)
    for (const double x : series.x) low = std::min(low, x / 1.5), high = std::max(high, x * 1.5);
  figure.series.push_back(guide("read " + si_text(ceilings.bytes_per_s) + "B/s", 1, {low, ridge},
                                {low * ceilings.bytes_per_s, ceilings.flops_per_s}));
  figure.series.push_back(guide("matmul " + si_text(ceilings.flops_per_s) + "FLOP/s", 2,
                                {ridge, high}, {ceilings.flops_per_s, ceilings.flops_per_s}));
}

/// A point per variant of one measurement; the reference's carries the mode's name.
void add_roofline_points(const StudyData& data, const BenchMeasurement& measurement,
                         Figure& figure) {
  for (const BenchSeries& bench : measurement.series) {
    if (!bench.ran() || bench.repeat_of_reference == 1 || !bench.flops_per_token ||
        !bench.bytes_per_token)
      continue;
    if (*bench.flops_per_token <= 0 || *bench.bytes_per_token <= 0) continue;
    FigureSeries& series = series_of(figure, data, bench.variant);
    const double tokens_per_s = bench.tokens_per_round / median(bench.seconds);
    series.x.push_back(*bench.flops_per_token / *bench.bytes_per_token);
    series.y.push_back(*bench.flops_per_token * tokens_per_s);
    series.labels.push_back(bench.variant == data.bench->compare_to ? measurement.mode : "");
  }
}

}  // namespace

void add_speed_up_figures(const StudyData& data, Report& report) {
  if (!data.bench) return;
  std::map<std::string, size_t> n_conditions;
  for (const BenchMeasurement& measurement : data.bench->measurements)
    ++n_conditions[measurement.mode];
  std::vector<Figure> found;
  for (const BenchMeasurement& measurement : data.bench->measurements) {
    const BenchSeries* reference = measurement.find(data.bench->compare_to);
    if (!reference) continue;
    const std::string id = "speedup_" + measurement.mode;
    auto figure =
        std::find_if(found.begin(), found.end(), [&](const Figure& f) { return f.id == id; });
    if (figure == found.end()) {
      found.emplace_back();
      figure = found.end() - 1;
      figure->id = id;
      figure->title = "Speed-up against what the ledger allows: " + measurement.mode;
      figure->caption = "Against " + data.bench->compare_to +
                        "; bars: 95 % interval of the median of paired rounds.";
      if (n_conditions[measurement.mode] > 1) figure->caption += " Labels: context × batch.";
      figure->x.label = "ideal speed-up";
      figure->y.label = "measured speed-up";
    }
    for (const BenchSeries& bench : measurement.series) {
      if (!bench.ran() || &bench == reference || bench.repeat_of_reference == 1) continue;
      const Estimate ratio = speed_ratio(reference->seconds, bench.seconds);
      FigureSeries& series = series_of(*figure, data, bench.variant);
      series.x.push_back(bench.ideal_speedup);
      series.y.push_back(ratio.value);
      series.x_low.push_back(bench.ideal_speedup);
      series.x_high.push_back(bench.ideal_speedup);
      if (ratio.interval) {
        series.y_low.push_back(ratio.interval->low);
        series.y_high.push_back(ratio.interval->high);
      }
      series.labels.push_back(n_conditions[measurement.mode] > 1 ? condition_text(measurement)
                                                                 : bench.variant);
    }
  }
  for (Figure& figure : found) {
    if (figure.series.empty()) continue;
    for (FigureSeries& series : figure.series)
      if (series.y_low.size() < series.y.size())  // too few rounds: no bars
        for (auto* bars : {&series.x_low, &series.x_high, &series.y_low, &series.y_high})
          bars->clear();
    add_diagonal(figure);
    report.figures.push_back(figure);
  }
}

void add_rooflines(const StudyData& data, Report& report) {
  if (!data.bench) return;
  std::map<std::pair<int64_t, int64_t>, Figure> found;
  std::map<std::pair<int64_t, int64_t>, std::set<std::string>> dtypes;
  for (const BenchMeasurement& measurement : data.bench->measurements) {
    add_roofline_points(data, measurement, found[{measurement.context, measurement.batch}]);
    dtypes[{measurement.context, measurement.batch}].insert(measurement.dtype);
  }
  for (auto& [condition, figure] : found) {
    const auto ceilings = ceilings_of(data.bench->calibration, dtypes[condition]);
    if (figure.series.empty() || !ceilings) continue;
    const std::string context = std::to_string(condition.first),
                      batch = std::to_string(condition.second);
    figure.id = "roofline_" + context + "_" + batch;
    figure.title = "Roofline: context " + context + ", batch " + batch;
    figure.caption =
        "FLOPs and bytes of the ledger at the realised keeps, speed as measured. Lines: read "
        "bandwidth and best matrix product of this machine. The names of modes stand at the points "
        "of " +
        data.bench->compare_to + ".";
    figure.x = {"FLOPs per byte", true, {}};
    figure.y = {"FLOP/s", true, {}};
    add_ceilings(figure, *ceilings);
    report.figures.push_back(figure);
  }
}

}  // namespace sublab::figures
