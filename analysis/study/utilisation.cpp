// Work of the ledger over time and ceiling (analysis/study/utilisation.h).
#include "analysis/study/utilisation.h"

namespace sublab {

std::optional<Ceiling> ceiling_of(const BenchFile& bench, const BenchMeasurement& measurement) {
  return measurement.mode == "decode" ? read_ceiling(bench.calibration)
                                      : matmul_ceiling(bench.calibration, measurement.dtype);
}

std::vector<double> utilisation_of(const BenchFile& bench, const BenchMeasurement& measurement,
                                   const BenchSeries& series) {
  const auto ceiling = ceiling_of(bench, measurement);
  const auto work = measurement.mode == "decode" ? series.bytes_per_token : series.flops_per_token;
  std::vector<double> out;
  if (!ceiling || !work || ceiling->per_s <= 0) return out;
  for (const double seconds : series.seconds)
    out.push_back(*work * series.tokens_per_round / seconds / ceiling->per_s);
  return out;
}

}  // namespace sublab
