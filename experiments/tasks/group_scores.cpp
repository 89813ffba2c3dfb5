// Means by group and draw (experiments/tasks/group_scores.h).
#include "experiments/tasks/group_scores.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/schema/metrics.h"

namespace sublab {
namespace group_scores {

constexpr double kOf = 100;  // what all right answers come to

struct Sum {
  double score = 0, n = 0;
  void add(const Grade& grade) { score += kOf * grade.right / grade.asked, n += 1; }
  double mean() const { return score / n; }
};

/// The groups in the order of their first question.
std::vector<std::string> in_order(const std::vector<std::string>& groups) {
  std::vector<std::string> out;
  for (const std::string& each : groups)
    if (std::find(out.begin(), out.end(), each) == out.end()) out.push_back(each);
  return out;
}

}  // namespace group_scores

void add_group_scores(const std::vector<std::string>& groups, const std::vector<Grade>& grades,
                      Evaluation& out) {
  std::map<std::string, group_scores::Sum> sums;
  for (size_t i = 0; i < groups.size(); ++i) sums[groups[i]].add(grades.at(i));
  double all = 0;
  for (const std::string& group : group_scores::in_order(groups)) {
    const group_scores::Sum& sum = sums[group];
    out.add(metric::kGroupScore, sum.mean(), {{condition::kGroup, group}, {"n", sum.n}});
    all += sum.mean();
  }
  if (!sums.empty())
    out.add(metric::kGroupMean, all / static_cast<double>(sums.size()), {{"n", sums.size()}});
}

void add_draw_scores(const std::vector<std::string>& groups, const std::vector<int64_t>& draws,
                     const std::vector<Grade>& grades, Evaluation& out) {
  std::map<std::string, std::map<int64_t, group_scores::Sum>> sums;
  for (size_t i = 0; i < groups.size(); ++i) sums[groups[i]][draws.at(i)].add(grades.at(i));
  for (const std::string& group : group_scores::in_order(groups)) {
    double mean = 0, squares = 0;
    const auto n = static_cast<double>(sums[group].size());
    for (const auto& [draw, sum] : sums[group]) {
      out.add(metric::kDrawScore, sum.mean(),
              {{condition::kGroup, group}, {condition::kDraw, draw}, {"n", sum.n}});
      mean += sum.mean() / n;
    }
    for (const auto& [draw, sum] : sums[group]) squares += std::pow(sum.mean() - mean, 2);
    if (n > 1)
      out.add(metric::kGroupDrawSd, std::sqrt(squares / (n - 1)),
              {{condition::kGroup, group}, {"n", n}});
  }
}

void add_shortened(const std::vector<bool>& shortened, Evaluation& out) {
  const auto n = std::count(shortened.begin(), shortened.end(), true);
  if (!shortened.empty())
    out.add(metric::kPromptsShortened,
            static_cast<double>(n) / static_cast<double>(shortened.size()),
            {{"n", shortened.size()}});
}

}  // namespace sublab
