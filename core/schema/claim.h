// What a paper says, as data: one number, where it stands, and under which protocol it was
// measured.
//
//   [ { "claim": "SUBLLM trains 34 % faster than LLaMA at 8192 tokens of context",
//       "source": "arXiv:2406.06571, abstract", "metric": "speedup_train", "expected": 1.34,
//       "tolerance": { "ratio": 0.05 },
//       "protocol": { "architecture": "subllm", "reference": "llama", "context": 8192,
//                     "d_model": "unknown" },
//       "scale": [ "context", "d_model" ] } ]
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// How far a measured value may lie from the claimed one; exactly one of the two is given.
struct ClaimTolerance {
  std::optional<double> ratio;     ///< share of the expected value
  std::optional<double> absolute;  ///< in the metric's unit

  template <class F>
  void fields(F& f) {
    f("ratio", ratio, "share of the expected value", within(0, 1));
    f("absolute", absolute, "in the metric's unit", within(0, 1e18));
  }
};

struct Claim {
  std::string claim;   ///< one sentence
  std::string source;  ///< paper and place
  std::string metric;  ///< a name that claim_kind() knows
  double expected = 0;
  ClaimTolerance tolerance;
  /// The paper says "above this": gives a direction to a value that has none by itself.
  std::optional<double> above;
  /// Flat; names of kProtocolFields; "unknown" where the source does not say.
  json protocol = json::object();
  /// Fields of the protocol in which a smaller run may differ and still speak of the direction.
  std::vector<std::string> scale;
  /// Which of several evaluations it is about: {"split": "test", "window": 512}. Without it a loss
  /// is that of the headline, and another metric has a line per evaluation.
  json conditions = json::object();
  bool hardware = false;  ///< tied to the machine, such as tokens/s; kept apart in the output
  std::string note;       ///< what is doubtful about the number

  template <class F>
  void fields(F& f) {
    f("claim", claim, "one sentence");
    f("source", source, "paper and place");
    f("metric", metric, "what was measured");
    f("expected", expected, "the claimed number");
    f("tolerance", tolerance, "{\"ratio\": x} or {\"absolute\": x}");
    f("above", above, "the source says that the value is above this");
    f("protocol", protocol, "how it was measured; \"unknown\" where the source does not say");
    f("scale", scale, "protocol fields in which a smaller run may differ");
    f("conditions", conditions, "of the evaluation that it is about");
    f("hardware", hardware, "tied to the machine");
    f("note", note, "what is doubtful");
  }
};

/// The claims of one file, or those that a study states itself.
struct ClaimSet {
  std::string name;
  std::vector<Claim> claims;
};

/// What "no effect" means for a metric.
enum class ClaimKind {
  ratio,       ///< to the reference: 1
  difference,  ///< to the reference: 0
  value        ///< nothing: a value has no direction unless the claim says `above`
};

/// The kind of a metric, or nothing when its name is no claim's: besides the names of the table in
/// claim.cpp, "<task>_accuracy", "_f1", "_rouge" and "_score", "kept_fraction_<level>", and
/// "<value>_difference" (variant minus reference).
std::optional<ClaimKind> claim_kind(const std::string& metric);

/// Protocol fields that name what is interchangeable. A study without a variant that has them says
/// nothing about the claim.
extern const std::vector<std::string> kKindFields;
/// Every field that a protocol may have.
extern const std::vector<std::string> kProtocolFields;

/// One claim. Throws UserError at `where`: unknown key, metric or protocol field, a missing or
/// wrong value, a tolerance that is none.
Claim read_claim(const json& given, const std::string& where);

/// A file of claims (a JSON list, comments allowed); the set has the file's name without ".json".
ClaimSet read_claims_file(const fs::path& path);

}  // namespace sublab
