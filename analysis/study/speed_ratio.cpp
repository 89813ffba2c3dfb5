// Speed-ups from paired rounds, and what to say of them.
#include <algorithm>
#include <cmath>

#include "analysis/statistics/statistics.h"

namespace sublab {

Estimate speed_ratio(const std::vector<double>& reference_seconds,
                     const std::vector<double>& own_seconds) {
  std::vector<double> ratios;
  for (size_t r = 0; r < std::min(reference_seconds.size(), own_seconds.size()); ++r)
    ratios.push_back(reference_seconds[r] / own_seconds[r]);
  std::sort(ratios.begin(), ratios.end());
  Estimate out;
  if (ratios.empty()) return out;
  out.value = median(ratios);
  out.clusters = static_cast<double>(ratios.size());
  // The widest k with P(Binomial(n, 1/2) <= k - 1) <= 0.025: [x_k, x_{n+1-k}] covers 95 %.
  const auto n = static_cast<int>(ratios.size());
  double tail = 0, term = std::pow(0.5, n);
  int k = 0;
  while (k < n && tail + term <= 0.025) {
    tail += term;
    term *= static_cast<double>(n - k) / (k + 1);
    ++k;
  }
  if (k > 0)
    out.interval = {ratios[k - 1], ratios[n - k]};
  else
    out.no_interval = "too few rounds for an interval (" + std::to_string(n) + " of 6)";
  return out;
}

SpeedVerdict speed_verdict(const Estimate& ratio, const Estimate& noise) {
  if (!ratio.interval) return {"unclear", ratio.no_interval};
  const Interval floor = noise.interval.value_or(Interval{1, 1});
  const double low = std::min(floor.low, 1.0), high = std::max(floor.high, 1.0);
  if (ratio.interval->low > high) return {"faster", ""};
  if (ratio.interval->high < low) return {"slower", ""};
  // A difference below a tenth is called none, where the machine could have shown one.
  constexpr double kSame = 0.1;
  if (high - low >= kSame) return {"unclear", "the reference against itself varies by as much"};
  if (ratio.interval->low >= low && ratio.interval->high <= high) return {"same", ""};
  return {"unclear", "its interval reaches into that of the reference against itself"};
}

}  // namespace sublab
