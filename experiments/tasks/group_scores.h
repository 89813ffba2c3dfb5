// Scores by what questions belong to: a subject, a data set, a length.
#pragma once

#include <string>
#include <vector>

#include "experiments/tasks/graded.h"

namespace sublab {

/// Adds `group_score` of each group (the mean of right / asked, x 100) with the group as a
/// condition, in the order in which groups first come, and `group_mean_score`, the mean of the
/// groups.
void add_group_scores(const std::vector<std::string>& groups, const std::vector<Grade>& grades,
                      Evaluation& out);

/// `draws[i]` says with which draw of demonstrations question i was asked. Adds `draw_score` of
/// each group and draw, and the spread of each group over its draws, `group_draw_sd`.
void add_draw_scores(const std::vector<std::string>& groups, const std::vector<int64_t>& draws,
                     const std::vector<Grade>& grades, Evaluation& out);

/// Adds the share of the prompts that were cut to fit the window.
void add_shortened(const std::vector<bool>& shortened, Evaluation& out);

}  // namespace sublab
