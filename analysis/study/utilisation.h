// How near measured speed comes to what the machine was measured to do.
#pragma once

#include <optional>

#include "core/schema/bench.h"
#include "core/schema/calibration.h"

namespace sublab {

/// What a measurement is held against: in training and prefill the best matrix product in its
/// number format, in decoding the read bandwidth. Nothing where the file has no such rate.
std::optional<Ceiling> ceiling_of(const BenchFile& bench, const BenchMeasurement& measurement);

/// Of each round: the ledger's FLOPs (causal; training is three passes, and recomputed blocks once
/// more) or, in decoding, bytes per second as a share of the ceiling. Empty where either is not
/// known.
std::vector<double> utilisation_of(const BenchFile& bench, const BenchMeasurement& measurement,
                                   const BenchSeries& series);

}  // namespace sublab
