// What the builders of figures share; included by them only.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/questions.h"
#include "analysis/study/study_data.h"
#include "core/npy.h"

namespace sublab::figures {

void add_loss_curves(const StudyData& data, Report& report);
void add_quality_figures(const StudyData& data, Report& report);
void add_loss_against_retention(const StudyData& data, Report& report);
void add_loss_by_position(const StudyData& data, Report& report);
void add_accuracy_maps(const StudyData& data, Report& report);
void add_relative_distances(const StudyData& data, Report& report);
void add_kept_over_training(const StudyData& data, Report& report);
void add_kept_by_position(const StudyData& data, Report& report);
void add_speed_up_figures(const StudyData& data, Report& report);
void add_speed_by_context(const StudyData& data, Report& report);
void add_rooflines(const StudyData& data, Report& report);

/// The arrays of this name that `records` left in the evaluations `of` them (null: in training),
/// one per record that has it. Throws UserError when one of them has not `n_axes` axes, or its last
/// one not at least `n_last` entries.
std::vector<NpyArray> arrays_of(const StudyData& data, const std::vector<const Record*>& records,
                                const std::string& name, const EvaluationOf& of, size_t n_axes,
                                int64_t n_last);

/// Letters, digits and '_'.
std::string safe_id(std::string name);
/// "loss_by_position", with the label behind it where there is one.
std::string figure_id(const std::string& name, const Asked& asked);

/// Values at the points of one seed.
struct Curve {
  std::vector<double> x, y;
};

/// Their mean with a band from the lowest to the highest, as far as the shortest goes; without a
/// band for one seed. All have the same x.
FigureSeries mean_curve(const std::string& name, size_t style, const std::vector<Curve>& seeds);

/// "mean over 3 seeds, ..." from the largest number of seeds that a series had; "one seed".
std::string seeds_text(size_t n_seeds, const std::string& spread_name);

/// Adds the figure unless it has no series.
void add_if_any(const Figure& figure, Report& report);

}  // namespace sublab::figures
