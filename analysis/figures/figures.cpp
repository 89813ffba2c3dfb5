// The order of figures, and what their builders share.
#include "analysis/figures/figures.h"

#include <algorithm>
#include <cctype>

#include "analysis/figures/builders.h"
#include "core/schema/arrays.h"

namespace sublab {

void add_figures(const StudyData& data, Report& report) {
  figures::add_loss_curves(data, report);
  figures::add_quality_figures(data, report);
  figures::add_loss_against_retention(data, report);
  figures::add_loss_by_position(data, report);
  figures::add_accuracy_maps(data, report);
  figures::add_relative_distances(data, report);
  figures::add_kept_over_training(data, report);
  figures::add_kept_by_position(data, report);
  figures::add_speed_up_figures(data, report);
  figures::add_speed_by_context(data, report);
  figures::add_rooflines(data, report);
}

namespace figures {

std::vector<NpyArray> arrays_of(const StudyData& data, const std::vector<const Record*>& records,
                                const std::string& name, const EvaluationOf& of, size_t n_axes,
                                int64_t n_last) {
  std::vector<NpyArray> out;
  // Of records whose losses do not count, these are not drawn either.
  const bool of_losses = array_kind(name).of_loss;
  for (const Record* record : records) {
    if (of_losses && data.unlike.refused.contains(record->id)) continue;
    const std::string evaluation = of ? of(*record) : "";
    if (of && evaluation.empty()) continue;
    auto array = read_array(data.folder, *record, name, evaluation);
    if (!array) continue;
    out.push_back(std::move(*array));
    if (out.back().shape.size() != n_axes || out.back().shape.back() < n_last)
      throw UserError(
          arrays_path(data.folder, record->id).string() + ": " + member_name(name, evaluation),
          "is not an array of " + std::to_string(n_axes) + " axes with at least " +
              std::to_string(n_last) + " entries in the last");
  }
  return out;
}

std::string safe_id(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

std::string figure_id(const std::string& name, const Asked& asked) {
  return safe_id(name + (asked.label.empty() ? "" : "_" + asked.label));
}

FigureSeries mean_curve(const std::string& name, size_t style, const std::vector<Curve>& seeds) {
  FigureSeries out;
  out.name = name;
  out.style = style;
  size_t n = seeds.empty() ? 0 : seeds.front().x.size();
  for (const Curve& seed : seeds) n = std::min(n, seed.x.size());
  for (size_t i = 0; i < n; ++i) {
    double sum = 0, low = seeds.front().y[i], high = low;
    for (const Curve& seed : seeds) {
      sum += seed.y[i];
      low = std::min(low, seed.y[i]);
      high = std::max(high, seed.y[i]);
    }
    out.x.push_back(seeds.front().x[i]);
    out.y.push_back(sum / static_cast<double>(seeds.size()));
    if (seeds.size() < 2) continue;
    out.y_low.push_back(low);
    out.y_high.push_back(high);
  }
  return out;
}

std::string seeds_text(size_t n_seeds, const std::string& spread_name) {
  if (n_seeds < 2) return "One seed.";
  return "Mean over seeds; " + spread_name + ": lowest to highest of " + std::to_string(n_seeds) +
         " seeds.";
}

void add_if_any(const Figure& figure, Report& report) {
  if (!figure.series.empty()) report.figures.push_back(figure);
}

}  // namespace figures
}  // namespace sublab
