// What a study measured of the quantity that a claim is about.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/study/study_data.h"
#include "core/schema/claim.h"

namespace sublab {

/// Protocol fields that a measurement may decide itself, beside the variant's configuration.
extern const std::vector<std::string> kMeasurementFields;

/// One measured value and the conditions it holds under.
struct ClaimMeasurement {
  std::string condition;          ///< "decode, context 512, batch 1"; may be empty
  Estimate estimate;              ///< without interval: nobody knows how uncertain it is
  bool exact = false;             ///< counted, or the same in two runs: no uncertainty, no interval
  std::optional<Estimate> noise;  ///< of a speed-up: the reference against itself
  std::string target;             ///< what the interval is about
  std::string kept;               ///< realised kept fractions, or empty
  bool assumed_keeps = false;     ///< keeps were forced, not the trained model's
  std::vector<std::string> records;  ///< ids of the trials that it comes from
  /// Those of kMeasurementFields that the measurement states.
  json protocol = json::object();

  /// The interval; of an exact value the value twice.
  std::optional<Interval> bounds() const;
};

/// Every measurement of `claim.metric` that `variant` has. A claim that names a context or a batch
/// gets the measured ones nearest to it (by ratio); one that does not gets all. Empty where nothing
/// was measured.
std::vector<ClaimMeasurement> measure_claim(const Claim& claim, const StudyData& data,
                                            const VariantData& variant);

/// Which condition of the claim no number of its metric has, and what there is; "" where each
/// is one that some number has, or the metric was not measured.
std::string unmet_condition(const Claim& claim, const StudyData& data);

/// A value whose uncertainty nobody knows.
inline Estimate one_number(double value) { return {value, {}, 0, "one number"}; }

/// Whether a claim's metric is one of the speed measurement, and what that says of it.
bool is_of_speed(const Claim& claim);
std::vector<ClaimMeasurement> speed_of_claim(const Claim& claim, const BenchFile& bench,
                                             const std::string& variant);
/// Who did not fit in memory where the claim asks, the variant or what it is compared with; ""
/// where both did.
std::string out_of_memory_reason(const Claim& claim, const BenchFile& bench,
                                 const std::string& variant);

}  // namespace sublab
