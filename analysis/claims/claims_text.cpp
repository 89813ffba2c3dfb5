// Lines of claims as text.
#include <algorithm>

#include "analysis/claims/claims.h"
#include "analysis/text/format.h"
#include "core/json_text.h"

namespace sublab {
namespace {

std::string differences_text(const std::vector<ProtocolDifference>& differences) {
  std::vector<std::string> out;
  for (const ProtocolDifference& difference : differences)
    out.push_back(difference.field + ": " + unquoted(difference.there) + " there, " +
                  (difference.here.is_null() ? "none" : unquoted(difference.here)) + " here");
  return join(out, "; ");
}

}  // namespace

namespace {

/// Why an effect is not clear.
std::string unclear_text(const ClaimLine& line) {
  const ClaimMeasurement& measured = *line.measured;
  const double none = no_effect_of(line.claim);
  if (!measured.bounds()) return "no interval: " + measured.estimate.no_interval;
  if (line.claim.expected == none && !line.claim.above)
    return "the interval reaches out of the tolerance";
  const std::string at = claim_value_text(line.claim.metric, none);
  if (measured.bounds()->contains(none)) return "the interval contains " + at;
  const SpeedVerdict speed = speed_verdict(measured.estimate, measured.noise.value_or(Estimate{}));
  return speed.reason.empty() ? "inside what the reference differs from itself by" : speed.reason;
}

/// The first few of a list, and how many there are beyond them.
std::string first_few(const std::vector<std::string>& all, size_t shown, const char* between) {
  const size_t n = std::min(all.size(), shown);
  const std::string out =
      join({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}, between);
  return all.size() > n ? out + " and " + std::to_string(all.size() - n) + " more" : out;
}

/// In what the protocols differ, and what the source does not state; "" where nothing.
std::string protocol_reasons(const ClaimLine& line) {
  std::vector<std::string> differing, out;
  for (const ProtocolDifference& each : line.differing)
    differing.push_back(differences_text({each}));
  if (!differing.empty()) out.push_back(first_few(differing, 2, ", "));
  if (!line.unknown.empty()) out.push_back("not stated there: " + first_few(line.unknown, 3, ", "));
  return join(out, "; ");
}

}  // namespace

std::string reason_text(const ClaimLine& line) {
  const std::string protocol = protocol_reasons(line);
  const bool outside = line.reason == "outside the tolerance";
  switch (line.verdict) {
    case ClaimVerdict::reproduced:
      return "the same protocol, within the tolerance, and the effect is clear";
    case ClaimVerdict::direction_only:
      return "the effect is clear; " + (outside ? "the value is " + line.reason : "") +
             (outside && !protocol.empty() ? "; " : "") + protocol;
    case ClaimVerdict::not_reproduced:
      return line.reason == "unclear" ? unclear_text(line)
             : line.reason == "opposite"
                 ? "the effect is clearly on the other side of " +
                       claim_value_text(line.claim.metric, no_effect_of(line.claim))
             : outside ? "the value is outside the tolerance"
                       : "there is an effect beyond the tolerance";
    case ClaimVerdict::not_comparable:
      break;
  }
  return line.reason.empty() ? protocol
                             : line.reason + (protocol.empty() ? "" : " (" + protocol + ")");
}

std::string verdict_name(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::reproduced:
      return "reproduced";
    case ClaimVerdict::direction_only:
      return "direction only";
    case ClaimVerdict::not_reproduced:
      return "not reproduced";
    case ClaimVerdict::not_comparable:
      break;
  }
  return "not comparable";
}

std::string verdict_text(const ClaimLine& line) {
  std::string why = line.reason;
  if (line.verdict == ClaimVerdict::not_comparable && why.empty())
    why = differences_text(line.differing);
  return verdict_name(line.verdict) + (why.empty() ? "" : " (" + why + ")");
}

std::string protocol_text(const ClaimLine& line) {
  std::string out = differences_text(line.differing);
  if (!line.unknown.empty())
    out += (out.empty() ? "" : "; ") + ("unknown there: " + join(line.unknown));
  return out;
}

std::string claim_value_text(const std::string& metric, double value) {
  if (metric.ends_with("_bytes")) {
    const std::string text = si_text(value);
    return text + (text.find(' ') == std::string::npos ? " B" : "B");
  }
  const auto kind = claim_kind(metric);
  if (kind == ClaimKind::ratio) return fixed(value, value < 10 ? 3 : 1);
  return metric.ends_with("_tokens") ? si_text(value) : significant(value, 4);
}

std::string measured_text(const ClaimLine& line) {
  if (!line.measured) return "–";
  const auto text = [&](double value) { return claim_value_text(line.claim.metric, value); };
  const Estimate& estimate = line.measured->estimate;
  std::string out = text(estimate.value);
  out += estimate.interval
             ? " [" + text(estimate.interval->low) + ", " + text(estimate.interval->high) + "]"
         : !line.measured->exact                     ? " (no interval)"
         : line.claim.metric.starts_with("kv_cache") ? " (counted)"
                                                     : " (the same in two runs)";
  return line.measured->kept.empty() ? out : out + ", kept " + line.measured->kept;
}

std::string elsewhere_text(const std::vector<ClaimLine>& lines) {
  size_t n = 0;
  std::vector<std::string> names;
  for (const ClaimLine& line : lines) {
    if (!line.elsewhere) continue;
    ++n;
    if (std::find(names.begin(), names.end(), line.set) == names.end()) names.push_back(line.set);
  }
  if (n == 0) return "";
  return std::to_string(n) + (n == 1 ? " claim about " : " claims about ") + join(names) +
         ": no such variant here";
}

}  // namespace sublab
