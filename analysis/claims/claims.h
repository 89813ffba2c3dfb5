// Claims joined with what a study measured: a verdict for each.
#pragma once

#include <string>
#include <vector>

#include "analysis/claims/claim_measure.h"

namespace sublab {

enum class ClaimVerdict {
  reproduced,      ///< same protocol, value within the tolerance, effect clear
  direction_only,  ///< the effect is clearly on the claimed side, but protocol or value differ
  not_reproduced,  ///< no clear effect, or one on the other side
  not_comparable   ///< nothing here speaks about the claim
};

/// A protocol field in which the study differs; `here` is null where the study has no such field.
struct ProtocolDifference {
  std::string field;
  json there, here;
};

/// One claim against one variant under one condition; or a claim that nothing speaks about.
struct ClaimLine {
  Claim claim;
  std::string set;      ///< name of the claim's file
  std::string variant;  ///< "" where none fits
  std::optional<ClaimMeasurement> measured;
  ClaimVerdict verdict = ClaimVerdict::not_comparable;
  std::string reason;                         ///< "opposite", "unclear", ...; may be empty
  std::vector<ProtocolDifference> differing;  ///< fields whose values differ
  std::vector<std::string> unknown;           ///< fields that the source does not state
  bool elsewhere = false;                     ///< about something that no variant here is
};

/// A claim is held against every variant that fits its identity: the protocol fields that are known
/// and not in `scale`. Verdicts:
///   reproduced      every field known and equal, the value within the tolerance, and the 95 %
///                   interval excludes "no effect" (1 for ratios, 0 for differences);
///   direction only  fields unknown or scaled, or the value outside the tolerance, but the interval
///                   lies clearly on the claimed side. A speed-up must also leave the noise floor
///                   of the reference against itself (speed_verdict);
///   not reproduced  else: "unclear" or "opposite";
///   not comparable  an identity field differs, or the metric was not measured, or a value without
///                   `above`, which has no direction, under another protocol.
/// A claim of no effect (expected 1, or 0) asks for the interval inside the tolerance instead.
std::vector<ClaimLine> check_claims(const StudyData& data, const std::vector<ClaimSet>& sets);

/// What stands for "no effect" in a claim: 1 for ratios, `above` or 0 else.
double no_effect_of(const Claim& claim);

/// Why the verdict is what it is, in one short sentence without a full stop.
std::string reason_text(const ClaimLine& line);
/// "not reproduced (opposite)"; for what is not comparable, the fields and both values.
std::string verdict_text(const ClaimLine& line);
/// "reproduced", "direction only", "not reproduced" or "not comparable".
std::string verdict_name(ClaimVerdict verdict);
/// "context: 8192 there, 512 here; unknown: batch, d_model".
std::string protocol_text(const ClaimLine& line);
/// A value of a metric: "1.340", "10.0 GB", "0.2641".
std::string claim_value_text(const std::string& metric, double value);
/// The measured value with its interval and realised kept fractions; "–" where there is none.
std::string measured_text(const ClaimLine& line);

/// "3 claims about yarn, pose: no such variant here", or "" when every claim is about one.
std::string elsewhere_text(const std::vector<ClaimLine>& lines);

}  // namespace sublab
