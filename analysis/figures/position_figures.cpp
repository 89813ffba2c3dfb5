// By place in the text: loss, kept share, accuracy.
#include <algorithm>
#include <map>

#include "analysis/figures/builders.h"
#include "analysis/text/format.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab::figures {
namespace {

/// array::kPositions [buckets, 3]: end, sum of losses, tokens; drawn at a bucket's middle.
Curve losses_by_position(const NpyArray& array) {
  const auto values = array.as_doubles();
  Curve out;
  double begin = 0;
  for (size_t b = 0; 3 * b + 2 < values.size(); ++b) {
    if (values[3 * b + 2] > 0) {
      out.x.push_back((begin + values[3 * b]) / 2);
      out.y.push_back(values[3 * b + 1] / values[3 * b + 2]);
    }
    begin = values[3 * b];
  }
  return out;
}

/// array::kKeptByPosition [levels, buckets, 2]: kept, seen; buckets fill `window` tokens.
Curve kept_by_position(const NpyArray& array, int64_t level, double window) {
  const auto values = array.as_doubles();
  const auto n = static_cast<size_t>(array.shape[1]);
  const double width = window / static_cast<double>(n);
  Curve out;
  for (size_t b = 0; b < n; ++b) {
    const size_t at = 2 * (static_cast<size_t>(level - 1) * n + b);
    if (values[at + 1] == 0) continue;
    out.x.push_back((static_cast<double>(b) + 0.5) * width);
    out.y.push_back(values[at] / values[at + 1]);
  }
  return out;
}

/// Adds up [lengths, depths, 4] (length, depth, right, asked) over seeds.
HeatMap accuracy_map(const std::vector<NpyArray>& arrays) {
  const auto n_lengths = static_cast<size_t>(arrays.front().shape[0]),
             n_depths = static_cast<size_t>(arrays.front().shape[1]);
  std::vector<double> right(n_lengths * n_depths), asked(right.size());
  for (const NpyArray& array : arrays) {
    if (array.shape != arrays.front().shape) continue;  // a seed measured under other settings
    const auto values = array.as_doubles();
    for (size_t i = 0; i < right.size(); ++i)
      right[i] += values[4 * i + 2], asked[i] += values[4 * i + 3];
  }
  const auto first = arrays.front().as_doubles();
  HeatMap out;
  for (size_t l = 0; l < n_lengths; ++l)
    out.x_ticks.push_back(significant(first[4 * l * n_depths], 6));
  for (size_t d = 0; d < n_depths; ++d) {
    out.y_ticks.push_back(fixed(first[4 * d + 1], 2));
    out.rows.emplace_back();
    for (size_t l = 0; l < n_lengths; ++l) {
      const size_t cell = l * n_depths + d;
      out.rows.back().push_back(asked[cell] > 0 ? std::optional(right[cell] / asked[cell])
                                                : std::nullopt);
    }
  }
  return out;
}

/// What the axes of a task's map are, and what is to be said of them.
struct MapText {
  std::string x, y, remark;
};

MapText map_text(const std::string& task) {
  if (task == "recall")
    return {"place of the query, tokens", "where the answer was last stated",
            " Places: the end of each bin. Last stated: 0 is the start of the row, 1 just before "
            "the query."};
  return {"length, tokens", "depth", " Depth: 0 is the start, 1 the end."};
}

}  // namespace

void add_loss_by_position(const StudyData& data, Report& report) {
  for (const Asked& asked : asked_of(data)) {
    Figure figure;
    figure.id = figure_id("loss_by_position", asked);
    figure.title = asked.title("Held-out loss by position in the window");
    figure.x.label = "position in the window, tokens";
    figure.y.label = "loss, nats per token";
    size_t n_seeds = 0;
    for (size_t v = 0; v < data.variants.size(); ++v) {
      std::vector<Curve> seeds;
      for (const NpyArray& array : arrays_of(data, data.variants[v].good(), array::kPositions,
                                             asked.of, 2, array::kPositionColumns))
        seeds.push_back(losses_by_position(array));
      FigureSeries series = mean_curve(data.variants[v].name, v, seeds);
      if (!series.x.empty()) figure.series.push_back(series);
      n_seeds = std::max(n_seeds, seeds.size());
    }
    figure.caption = "Full windows only, in sixteenths. " + seeds_text(n_seeds, "band");
    add_if_any(figure, report);
  }
}

namespace {

/// Tokens that the buckets of a record's positions fill.
double window_of(const Record& record, const std::string& evaluation) {
  const RecordedEvaluation* found = record.evaluation(evaluation);
  return found ? found->conditions.value(condition::kWindow, 0.0) : 0;
}

void add_kept_by_position(const StudyData& data, const Asked& asked, Report& report) {
  std::map<int64_t, Figure> by_level;
  size_t n_seeds = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const VariantData& variant = data.variants[v];
    const auto good = variant.good();
    const auto arrays = arrays_of(data, good, array::kKeptByPosition, asked.of, 3, 2);
    if (arrays.empty()) continue;
    const double window = window_of(*good.front(), asked.of(*good.front()));
    if (window <= 0) continue;
    for (int64_t level = 1; level <= arrays.front().shape[0]; ++level) {
      std::vector<Curve> seeds;
      for (const NpyArray& array : arrays)
        if (array.shape == arrays.front().shape)
          seeds.push_back(kept_by_position(array, level, window));
      FigureSeries series = mean_curve(variant.name, v, seeds);
      if (!series.x.empty()) by_level[level].series.push_back(series);
      n_seeds = std::max(n_seeds, seeds.size());
    }
  }
  for (auto& [level, figure] : by_level) {
    figure.id = figure_id("kept_by_position_level_" + std::to_string(level), asked);
    figure.title =
        asked.title("Share of tokens that reach level " + std::to_string(level) + ", by position");
    figure.x.label = "place in the document, tokens";
    figure.y.label = "share of all tokens";
    figure.caption = "Held-out text, selection by the threshold. " + seeds_text(n_seeds, "band");
    add_if_any(figure, report);
  }
}

/// The map of one variant's trials, or of those of one of its probes.
void add_accuracy_map(const StudyData& data, const Asked& asked, const VariantData& variant,
                      const std::vector<const Record*>& records, const std::string& probe,
                      Report& report) {
  const auto arrays =
      arrays_of(data, records, array::kByLengthDepth, asked.of, 3, array::kLengthDepthColumns);
  if (arrays.empty() || arrays.front().n_elements() == 0) return;
  const MapText text = map_text(asked.task);
  Figure figure;
  const bool own = probe.empty() || probe == asked.task;
  figure.id =
      figure_id(asked.task + "_by_length_depth_" + std::to_string(&variant - data.variants.data()) +
                    (own ? "" : "_" + probe),
                asked);
  figure.title =
      asked.title("Accuracy of " + variant.name + " in " + asked.task + (own ? "" : ", " + probe));
  figure.caption =
      "Right answers / questions over " +
      (arrays.size() == 1 ? std::string("one seed") : std::to_string(arrays.size()) + " seeds") +
      "; –: nothing was asked there." + text.remark;
  figure.x.label = text.x;
  figure.y.label = text.y;
  figure.heat_map = accuracy_map(arrays);
  report.figures.push_back(figure);
}

}  // namespace

void add_kept_by_position(const StudyData& data, Report& report) {
  for (const Asked& asked : asked_of(data)) add_kept_by_position(data, asked, report);
}

void add_accuracy_maps(const StudyData& data, Report& report) {
  const auto all_asked = asked_of(data);
  for (const VariantData& variant : data.variants) {
    for (const Asked& asked : all_asked)
      add_accuracy_map(data, asked, variant, variant.good(), "", report);
    for (const auto& [probe, records] : variant.probes)
      if (probe != kTuneProbe)
        for (const Asked& asked : all_asked)
          add_accuracy_map(data, asked, variant, good_of(records), probe, report);
  }
}

}  // namespace sublab::figures
