// By place in the text: loss, kept share, accuracy.
#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "analysis/figures/builders.h"
#include "analysis/text/format.h"

namespace sublab::figures {
namespace {

/// perplexity.positions.npy [buckets, 3]: end, sum of losses, tokens; drawn at a bucket's middle.
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

/// perplexity.kept_by_position.npy [levels, buckets, 2]: kept, seen; buckets fill `window` tokens.
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

/// Names of tasks with a map of accuracies among these records.
std::set<std::string> mapped_tasks(const StudyData& data,
                                   const std::vector<const Record*>& records) {
  static const std::string ending = ".by_length_depth.npy";
  std::set<std::string> out;
  for (const Record* record : records) {
    const fs::path folder = data.folder / "arrays" / record->id;
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder))
      if (const std::string name = entry.path().filename(); name.ends_with(ending))
        out.insert(name.substr(0, name.size() - ending.size()));
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

std::string safe_id(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

}  // namespace

void add_loss_by_position(const StudyData& data, Report& report) {
  Figure figure;
  figure.id = "loss_by_position";
  figure.title = "Held-out loss by position in the window";
  figure.x.label = "position in the window, tokens";
  figure.y.label = "loss, nats per token";
  size_t n_seeds = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    std::vector<Curve> seeds;
    for (const NpyArray& array :
         arrays_of(data, data.variants[v].good(), "perplexity.positions.npy", 2, 3))
      seeds.push_back(losses_by_position(array));
    FigureSeries series = mean_curve(data.variants[v].name, v, seeds);
    if (!series.x.empty()) figure.series.push_back(series);
    n_seeds = std::max(n_seeds, seeds.size());
  }
  figure.caption = "Full windows only, in sixteenths. " + seeds_text(n_seeds, "band");
  add_if_any(figure, report);
}

void add_kept_by_position(const StudyData& data, Report& report) {
  std::map<int64_t, Figure> by_level;
  size_t n_seeds = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const VariantData& variant = data.variants[v];
    const auto good = variant.good();
    const auto arrays = arrays_of(data, good, "perplexity.kept_by_position.npy", 3, 2);
    if (arrays.empty()) continue;
    const Metric* loss = good.front()->find("valid_loss_nats");
    const double window = loss ? loss->conditions.value("window", 0.0) : 0;
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
    figure.id = "kept_by_position_level_" + std::to_string(level);
    figure.title = "Share of tokens that reach level " + std::to_string(level) + ", by position";
    figure.x.label = "place in the document, tokens";
    figure.y.label = "share of all tokens";
    figure.caption = "Held-out text, selection by the threshold. " + seeds_text(n_seeds, "band");
    add_if_any(figure, report);
  }
}

void add_accuracy_maps(const StudyData& data, Report& report) {
  const auto add = [&](const VariantData& variant, const std::vector<const Record*>& records,
                       const std::string& probe) {
    for (const std::string& task : mapped_tasks(data, records)) {
      const auto arrays = arrays_of(data, records, task + ".by_length_depth.npy", 3, 4);
      if (arrays.front().n_elements() == 0) continue;
      const MapText text = map_text(task);
      Figure figure;
      const bool own = probe.empty() || probe == task;
      figure.id = safe_id(task) + "_by_length_depth_" +
                  std::to_string(&variant - data.variants.data()) +
                  (own ? "" : "_" + safe_id(probe));
      figure.title = "Accuracy of " + variant.name + " in " + task + (own ? "" : ", " + probe);
      figure.caption = "Right answers / questions over " +
                       (arrays.size() == 1 ? std::string("one seed")
                                           : std::to_string(arrays.size()) + " seeds") +
                       "; –: nothing was asked there." + text.remark;
      figure.x.label = text.x;
      figure.y.label = text.y;
      figure.heat_map = accuracy_map(arrays);
      report.figures.push_back(figure);
    }
  };
  for (const VariantData& variant : data.variants) {
    add(variant, variant.good(), "");
    for (const auto& [probe, records] : variant.probes)
      if (probe != "tune") add(variant, good_of(records), probe);
  }
}

}  // namespace sublab::figures
