// Speed-ups by context, and where they cross 1.
#include "analysis/study/break_even.h"

#include <algorithm>
#include <cmath>

namespace sublab {
namespace {

SpeedCurve& curve_of(std::vector<SpeedCurve>& curves, const BenchMeasurement& measurement,
                     const std::string& variant) {
  for (SpeedCurve& curve : curves)
    if (curve.mode == measurement.mode && curve.dtype == measurement.dtype &&
        curve.variant == variant && curve.batch == measurement.batch)
      return curve;
  curves.push_back({.mode = measurement.mode,
                    .dtype = measurement.dtype,
                    .variant = variant,
                    .batch = measurement.batch,
                    .contexts = {},
                    .speed_ups = {},
                    .trials = {}});
  return curves.back();
}

}  // namespace

std::vector<SpeedCurve> speed_curves(const BenchFile& bench) {
  std::vector<const BenchMeasurement*> ascending;
  for (const BenchMeasurement& measurement : bench.measurements) ascending.push_back(&measurement);
  std::stable_sort(ascending.begin(), ascending.end(),
                   [](const auto* a, const auto* b) { return a->context < b->context; });
  std::vector<SpeedCurve> out;
  for (const BenchMeasurement* measurement : ascending) {
    const BenchSeries* reference = measurement->find(bench.compare_to);
    if (!reference) continue;
    for (const BenchSeries& series : measurement->series) {
      if (!series.ran() || series.variant == bench.compare_to) continue;
      SpeedCurve& curve = curve_of(out, *measurement, series.variant);
      curve.contexts.push_back(static_cast<double>(measurement->context));
      curve.speed_ups.push_back(speed_ratio(reference->seconds, series.seconds));
      curve.trials = {series.trial, reference->trial};
    }
  }
  std::erase_if(out, [](const SpeedCurve& curve) { return curve.contexts.size() < 2; });
  return out;
}

Crossing first_above_one(const std::vector<double>& contexts, const std::vector<double>& ratios) {
  using Where = Crossing::Where;
  if (ratios.front() > 1) return {Where::from_start, contexts.front()};
  for (size_t i = 1; i < ratios.size(); ++i) {
    if (ratios[i] <= 1) continue;
    const double below = std::log(ratios[i - 1]), above = std::log(ratios[i]);
    const double part = -below / (above - below);
    return {Where::between,
            std::exp(std::log(contexts[i - 1]) + part * std::log(contexts[i] / contexts[i - 1]))};
  }
  return {Where::nowhere, contexts.back()};
}

BreakEven break_even(const SpeedCurve& curve) {
  std::vector<double> medians, lows;
  for (const Estimate& ratio : curve.speed_ups) {
    medians.push_back(ratio.value);
    if (ratio.interval) lows.push_back(ratio.interval->low);
  }
  BreakEven out{first_above_one(curve.contexts, medians), {}};
  if (lows.size() == medians.size()) out.told = first_above_one(curve.contexts, lows);
  return out;
}

}  // namespace sublab
