// Over training: the loss, and what the thresholds would keep.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "analysis/figures/builders.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab::figures {
namespace {

constexpr size_t kPoints = 60;  ///< of a curve

/// Means of `y` over neighbouring points, each at the x of its last.
Curve smoothed(const Curve& curve) {
  const size_t n = curve.x.size(), width = std::max<size_t>(1, n / kPoints);
  Curve out;
  for (size_t begin = 0; begin + width <= n; begin += width) {
    double sum = 0;
    for (size_t i = begin; i < begin + width; ++i) sum += curve.y[i];
    out.x.push_back(curve.x[begin + width - 1]);
    out.y.push_back(sum / static_cast<double>(width));
  }
  return out;
}

/// array::kLossCurve [steps, 2]: tokens, loss.
Curve losses(const NpyArray& array) {
  const auto values = array.as_doubles();
  Curve out;
  for (size_t i = 0; i + 1 < values.size(); i += 2) {
    out.x.push_back(values[i]);
    out.y.push_back(values[i + 1]);
  }
  return smoothed(out);
}

/// The largest value, bands included, after the first tenth of every curve.
double highest_after_start(const std::vector<FigureSeries>& curves) {
  double high = -INFINITY;
  for (const FigureSeries& curve : curves) {
    const auto& values = curve.y_high.empty() ? curve.y : curve.y_high;
    for (size_t i = values.size() / 10; i < values.size(); ++i) high = std::max(high, values[i]);
  }
  return high;
}

/// Level of each module that the record has a state of.
std::map<int64_t, std::string> levels_of(const Record& record) {
  std::map<int64_t, std::string> out;
  for (const Metric& metric : record.metrics)
    if (metric::is_of_family(metric.name, metric::kScoreAboveThreshold))
      out[metric.conditions.value(condition::kModule, int64_t{0})] =
          metric::level_of(metric.name, metric::kScoreAboveThreshold);
  return out;
}

Curve above_threshold(const NpyArray& array, int64_t module) {
  const auto values = array.as_doubles();
  const auto width = static_cast<size_t>(array.shape[1]);
  Curve out;
  for (size_t i = 0; i + width <= values.size(); i += width) {
    if (values[i + array::kModule] != static_cast<double>(module)) continue;
    out.x.push_back(values[i + array::kStep]);
    out.y.push_back(values[i + array::kAboveThreshold]);
  }
  return smoothed(out);
}

/// array::kRelativeDistances [buckets, 2], end of the bucket and pairs, of all seeds together.
Curve shares_of_pairs(const std::vector<NpyArray>& seeds) {
  const auto width = static_cast<size_t>(seeds.front().shape[1]);
  std::vector<double> ends, pairs;
  for (const NpyArray& seed : seeds) {
    const auto values = seed.as_doubles();
    ends.resize(values.size() / width), pairs.resize(ends.size());
    for (size_t i = 0; i < ends.size(); ++i)
      ends[i] = values[i * width], pairs[i] += values[i * width + 1];
  }
  const double sum = std::accumulate(pairs.begin(), pairs.end(), 0.0);
  Curve out;
  for (size_t i = 0; i < ends.size(); ++i) {
    const double first = i > 0 ? ends[i - 1] : 1;
    if (pairs[i] <= 0) continue;  // the axis is logarithmic
    out.x.push_back((first + ends[i] - 1) / 2);
    out.y.push_back(pairs[i] / sum / (ends[i] - first));
  }
  return out;
}

}  // namespace

void add_loss_curves(const StudyData& data, Report& report) {
  Figure figure;
  figure.id = "loss_curves";
  figure.title = "Training loss";
  figure.x.label = "training tokens";
  figure.y.label = "loss, nats per token";
  size_t n_seeds = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    std::vector<Curve> seeds;
    for (const NpyArray& array :
         arrays_of(data, data.variants[v].good(), array::kLossCurve, nullptr, 2, 2))
      if (array.shape[0] > 0) seeds.push_back(losses(array));  // empty: nothing was trained
    if (!seeds.empty()) figure.series.push_back(mean_curve(data.variants[v].name, v, seeds));
    n_seeds = std::max(n_seeds, seeds.size());
  }
  figure.y.high = highest_after_start(figure.series);
  figure.caption =
      "Each point is the mean of neighbouring steps; the steep first tenth may leave "
      "the frame. " +
      seeds_text(n_seeds, "band");
  add_if_any(figure, report);
}

void add_relative_distances(const StudyData& data, Report& report) {
  Figure figure;
  figure.id = array::kRelativeDistances;
  figure.title = "Relative distances in training";
  figure.x.label = "distance between a token and one that it sees";
  figure.y.label = "share of pairs, per distance";
  figure.y.log = true;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const auto seeds = arrays_of(data, data.variants[v].good(), array::kRelativeDistances, nullptr,
                                 2, array::kDistanceColumns);
    if (!seeds.empty())
      figure.series.push_back(mean_curve(data.variants[v].name, v, {shares_of_pairs(seeds)}));
  }
  figure.caption =
      "Variants whose positions skip, all seeds together, in buckets of equal width; a bucket "
      "without a pair has no point.";
  add_if_any(figure, report);
}

void add_kept_over_training(const StudyData& data, Report& report) {
  std::map<std::string, Figure> by_level;
  std::map<std::string, size_t> n_seeds;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const VariantData& variant = data.variants[v];
    const auto good = variant.good();
    if (good.empty() || keeps_everything(*good.front())) continue;
    const auto arrays =
        arrays_of(data, good, array::kSelectionCurve, nullptr, 2, array::kAboveThreshold + 1);
    if (arrays.empty()) continue;
    const auto levels = levels_of(*good.front());
    std::map<std::string, size_t> n_at_level, n_before;
    for (const auto& [module, level] : levels) ++n_at_level[level];
    for (const auto& [module, level] : levels) {
      std::vector<Curve> seeds;
      for (const NpyArray& array : arrays) seeds.push_back(above_threshold(array, module));
      const std::string name =
          variant.name + (n_at_level[level] > 1 ? ", module " + std::to_string(module) : "");
      // Modules of one variant share its colour (one of seven) and differ in dash and mark.
      FigureSeries series = mean_curve(name, v + 7 * n_before[level]++, seeds);
      if (!series.x.empty()) by_level[level].series.push_back(series);
      n_seeds[level] = std::max(n_seeds[level], seeds.size());
    }
  }
  for (auto& [level, figure] : by_level) {
    figure.id = "kept_over_training_level_" + level;
    figure.title = "Share that the threshold would keep over training, level " + level;
    figure.x.label = "training step";
    figure.y.label = "share of scores above the threshold";
    figure.caption =
        "What evaluation would keep with the weights of that step; training keeps its "
        "own share. Each point is the mean of neighbouring steps. " +
        seeds_text(n_seeds[level], "band");
    add_if_any(figure, report);
  }
}

}  // namespace sublab::figures
