// The choice of a learning rate (core/schema/tuning.h).
#include "core/schema/tuning.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "core/schema/metrics.h"

namespace sublab {
namespace rate_choice {

double to_six_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

double rate_of(const PlannedTrial& trial) {
  return trial.config.at("train").at("learning_rate").get<double>();
}

struct Tried {
  double rate;
  std::optional<double> loss;
};

/// The first of the lowest losses, or null.
const Tried* best_of(const std::vector<Tried>& tried) {
  const Tried* best = nullptr;
  for (const Tried& each : tried)
    if (each.loss && (!best || *each.loss < *best->loss)) best = &each;
  return best;
}

/// -1 at the lowest rate that was tried, 1 at the highest, else 0.
int64_t edge_of(const std::vector<Tried>& tried, double rate) {
  bool lower = false, higher = false;
  for (const Tried& each : tried) {
    lower = lower || each.rate < rate;
    higher = higher || each.rate > rate;
  }
  return lower && higher ? 0 : lower ? 1 : -1;
}

}  // namespace rate_choice

std::vector<WidenedRate> widened_rates(std::vector<double> grid, int64_t n) {
  constexpr double kHighest = 10;
  std::sort(grid.begin(), grid.end());
  const double down = grid[0] / grid[1], up = grid[grid.size() - 1] / grid[grid.size() - 2];
  std::vector<WidenedRate> out;
  double rate = grid.front();
  for (int64_t i = 1; i <= n; ++i) out.push_back({-i, rate_choice::to_six_digits(rate *= down)});
  rate = grid.back();
  for (int64_t i = 1; i <= n && rate * up <= kHighest; ++i)
    out.push_back({i, rate_choice::to_six_digits(rate *= up)});
  return out;
}

TrialEnd end_of(const Record& record) {
  TrialEnd out{.ended = true, .loss = {}};
  if (record.outcome != "ok") return out;
  if (const Metric* loss = record.find_headline(metric::kLossNats)) out.loss = loss->value;
  return out;
}

RateChoice choose_rate(const Plan& plan, const std::string& variant, const TrialEnds& ends) {
  using namespace rate_choice;
  std::map<int64_t, const PlannedTrial*> further;  // by step
  std::vector<Tried> tried;
  RateChoice out;
  out.complete = true;
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.probe != kTuneProbe || trial.variant != variant) continue;
    if (trial.widens != 0) {
      further[trial.widens] = &trial;
      continue;
    }
    const TrialEnd end = ends(trial);
    out.complete = out.complete && end.ended;
    tried.push_back({rate_of(trial), end.loss});
  }
  for (int64_t step = 0; out.complete;) {
    const Tried* best = best_of(tried);
    if (!best) return out;
    out.rate = best->rate;
    const int64_t side = edge_of(tried, best->rate);
    if (side == 0) return out;
    step = step * side > 0 ? step + side : side;
    const auto next = further.find(step);
    out.at_edge = next == further.end();
    if (out.at_edge) return out;
    out.asked_for.insert(next->second->id);
    const TrialEnd end = ends(*next->second);
    out.complete = end.ended;
    tried.push_back({rate_of(*next->second), end.loss});
  }
  return out;
}

std::set<std::string> not_needed_trials(const Plan& plan, const TrialEnds& ends) {
  std::set<std::string> widening, settled;
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.widens != 0) widening.insert(trial.id);
  }
  if (widening.empty()) return {};
  for (const PlannedTrial& trial : plan.trials)
    if (trial.probe.empty() && ends(trial).loss) settled.insert(trial.variant);
  for (const std::string& variant : plan.variants)
    for (const std::string& id : choose_rate(plan, variant, ends).asked_for)
      if (!settled.contains(variant) || ends(*plan.find(id)).ended) widening.erase(id);
  return widening;
}

}  // namespace sublab
