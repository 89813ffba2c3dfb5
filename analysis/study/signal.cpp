// Analysis of variance of a task's results.
#include "analysis/study/signal.h"

#include <algorithm>
#include <cmath>

#include "analysis/statistics/student.h"

namespace sublab {

double Signal::ratio() const {
  const double left = between * between - noise * noise;
  return noise > 0 ? std::sqrt(std::max(left, 0.0)) / noise : 0;
}

Signal signal_of(const std::vector<std::vector<double>>& values) {
  Signal out;
  out.n_variants = static_cast<int64_t>(values.size());
  out.n_seeds = static_cast<int64_t>(values.front().size());
  const auto n_variants = static_cast<double>(out.n_variants);
  const auto n_seeds = static_cast<double>(out.n_seeds);
  std::vector<double> of_variant(values.size()), of_seed(values.front().size());
  double mean = 0;
  for (size_t v = 0; v < values.size(); ++v)
    for (size_t s = 0; s < of_seed.size(); ++s) {
      of_variant[v] += values[v][s] / n_seeds;
      of_seed[s] += values[v][s] / n_variants;
      mean += values[v][s] / (n_variants * n_seeds);
    }
  double variants = 0, errors = 0;
  for (size_t v = 0; v < values.size(); ++v) {
    variants += (of_variant[v] - mean) * (of_variant[v] - mean);
    for (size_t s = 0; s < of_seed.size(); ++s) {
      const double error = values[v][s] - of_variant[v] - of_seed[s] + mean;
      errors += error * error;
    }
  }
  const double freedom = n_variants - 1, left = freedom * (n_seeds - 1);
  const double of_errors = errors / left;
  out.between = std::sqrt(variants / freedom);
  out.noise = std::sqrt(of_errors / n_seeds);
  if (of_errors > 0)
    out.p = fisher_p_value(n_seeds * variants / freedom / of_errors, freedom, left);
  else
    out.p = variants > 0 ? 0 : 1;
  return out;
}

}  // namespace sublab
