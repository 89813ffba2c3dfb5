// Finds sweeps of the retention and their knees (analysis/study/retention_sweep.h).
#include "analysis/study/retention_sweep.h"

#include <algorithm>
#include <map>
#include <set>

#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace retention_sweep {

/// Inner points that a curve needs for one of them to be said to bend it more than another.
constexpr size_t kFewestInner = 2;

std::optional<double> retention_of(const Record& record) {
  const json given = record.config.at("model").value("retention", json());
  return given.is_number() ? std::optional(given.get<double>()) : std::nullopt;
}

/// All that decides the variant but its retention and, where rates are tuned, its rate.
std::string rest_of(const Record& record, bool tuned) {
  json config = record.config;
  config["model"].erase("retention");
  if (tuned && config.contains("train")) config["train"].erase("learning_rate");
  return config.dump();
}

/// Losses by seed of every variant: [seed][variant], over the seeds that all have.
std::map<int64_t, std::vector<double>> losses_by_seed(const RetentionSweep& sweep) {
  std::map<int64_t, std::vector<double>> out;
  for (const VariantData* variant : sweep.variants)
    for (const Record* record : variant->good())
      if (const auto loss = metric_of(*record, metric::kLossNats))
        out[record->seed].push_back(*loss);
  std::erase_if(out, [&](const auto& each) { return each.second.size() != sweep.variants.size(); });
  return out;
}

/// The inner point furthest below the chord; nothing where none lies below it.
std::optional<size_t> furthest(const std::vector<double>& below) {
  std::optional<size_t> out;
  for (size_t i = 1; i + 1 < below.size(); ++i)
    if (below[i] > 0 && (!out || below[i] > below[*out])) out = i;
  return out;
}

Knee knee_of(const RetentionSweep& sweep, const std::map<int64_t, std::vector<double>>& by_seed) {
  Knee out;
  const auto& x = sweep.retentions;
  if (x.size() < kFewestInner + 2) {
    out.no_knee = "fewer than four retentions";
    return out;
  }
  const auto mean = furthest(sweep.below_chord);
  if (!mean || sweep.losses.front() <= sweep.losses.back()) {
    out.no_knee = "the loss does not rise faster as the retention falls";
    return out;
  }
  std::set<size_t> seen;
  for (const auto& [seed, losses] : by_seed) {
    const auto own = furthest(distance_below_chord(x, losses));
    if (!own) {
      out.no_knee = "seed " + std::to_string(seed) + " has none";
      return out;
    }
    seen.insert(*own);
  }
  out.low = x[*seen.begin()], out.high = x[*seen.rbegin()];
  if (*seen.begin() == 1 && *seen.rbegin() == x.size() - 2) {
    out.no_knee = "over seeds it lies anywhere from " + significant(out.low, 3) + " to " +
                  significant(out.high, 3) + ", the whole range";
    return out;
  }
  out.retention = x[*mean];
  return out;
}

void finish(RetentionSweep& sweep) {
  const auto by_seed = losses_by_seed(sweep);
  sweep.n_seeds = static_cast<int64_t>(by_seed.size());
  sweep.losses.assign(sweep.variants.size(), 0);
  for (const auto& [seed, losses] : by_seed)
    for (size_t v = 0; v < losses.size(); ++v)
      sweep.losses[v] += losses[v] / static_cast<double>(by_seed.size());
  sweep.below_chord = distance_below_chord(sweep.retentions, sweep.losses);
  sweep.knee = knee_of(sweep, by_seed);
}

}  // namespace retention_sweep

std::vector<double> distance_below_chord(const std::vector<double>& x,
                                         const std::vector<double>& y) {
  std::vector<double> out(x.size(), 0);
  const auto [low, high] = std::minmax_element(y.begin(), y.end());
  if (x.size() < 3 || *high <= *low) return out;
  const auto scaled = [&](size_t i) { return (y[i] - *low) / (*high - *low); };
  for (size_t i = 1; i + 1 < x.size(); ++i) {
    const double along = (x[i] - x.front()) / (x.back() - x.front());
    const double chord = scaled(0) + along * (scaled(x.size() - 1) - scaled(0));
    out[i] = chord - scaled(i);
  }
  return out;
}

std::vector<RetentionSweep> retention_sweeps(const StudyData& data) {
  using namespace retention_sweep;
  std::set<std::string> tuned;
  for (const PlannedTrial& trial : data.plan.trials)
    if (trial.probe == kTuneProbe) tuned.insert(trial.variant);
  std::map<std::string, std::map<double, const VariantData*>> groups;
  std::vector<std::string> order;
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty() || good.front()->headline().empty()) continue;
    const auto retention = retention_of(*good.front());
    if (!retention) continue;
    const std::string rest = rest_of(*good.front(), tuned.contains(variant.name));
    if (!groups.contains(rest)) order.push_back(rest);
    groups[rest].emplace(*retention, &variant);
  }
  std::vector<RetentionSweep> out;
  for (const std::string& rest : order) {
    if (groups[rest].size() < 3) continue;
    RetentionSweep& sweep = out.emplace_back();
    for (const auto& [retention, variant] : groups[rest]) {
      sweep.retentions.push_back(retention);
      sweep.variants.push_back(variant);
    }
    const std::string& first = sweep.variants.front()->name;
    sweep.name = first.substr(0, first.find_first_of("/_"));
    finish(sweep);
    if (sweep.n_seeds == 0) out.pop_back();
  }
  return out;
}

}  // namespace sublab
