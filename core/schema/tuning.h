// How a learning rate is chosen by trials of its own: the grid, how it widens, and what was chosen.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {

/// A rate beyond a grid's edge: -1, -2, ... steps below its lowest, 1, 2, ... above its highest.
struct WidenedRate {
  int64_t step;
  double rate;
};

/// Up to `n` rates beyond each edge of `grid` (two or more, in any order), each further by the
/// ratio of the two rates at that edge, to six digits; none above 10, the highest there is.
std::vector<WidenedRate> widened_rates(std::vector<double> grid, int64_t n);

/// How a trial ended, as far as it concerns a choice.
struct TrialEnd {
  bool ended = false;          ///< whatever the outcome
  std::optional<double> loss;  ///< of one that ended well: its headline
};
TrialEnd end_of(const Record& record);
using TrialEnds = std::function<TrialEnd(const PlannedTrial&)>;

struct RateChoice {
  std::optional<double> rate;  ///< of the lowest loss among the rates that were tried
  bool complete = false;       ///< nothing is left to try
  bool at_edge = false;        ///< the lowest or the highest that was tried, and none lies beyond
  std::set<std::string> asked_for;  ///< ids of further trials that the choice has led to so far
};

/// The choice for a variant by the tuning trials of `plan`. The grid comes first. While the best
/// rate lies at an edge of what was tried, the next one beyond that edge is asked for. A trial that
/// did not end well counts as tried and is never the best.
RateChoice choose_rate(const Plan& plan, const std::string& variant, const TrialEnds& ends);

/// Ids of the plan's trials that would widen a grid, and that nothing asks for, so far: those
/// beyond other edges, and what is left of them for a variant with a main trial that ended well.
std::set<std::string> not_needed_trials(const Plan& plan, const TrialEnds& ends);

}  // namespace sublab
