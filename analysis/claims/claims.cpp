// Verdicts: what was measured against what a paper says, within its tolerance and protocol.
#include "analysis/claims/claims.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/kind.h"

namespace sublab {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The resolved configuration of a variant: of its first trial.
json config_of(const StudyData& data, const std::string& variant) {
  for (const std::string probe : {"", kTuneProbe})
    for (const PlannedTrial& trial : data.plan.trials)
      if (trial.variant == variant && trial.probe == probe) return trial.config;
  return json::object();
}

/// A setting of a part that was chosen, by its own name or behind that of its kind: "budget",
/// "rope_factor".
json setting_of_part(const json& values, const std::string& field) {
  for (const auto& [kind, choice] : values.items()) {
    if (!choice.is_object()) continue;
    if (choice.contains(field)) return choice[field];
    if (field.starts_with(kind + "_") && choice.contains(field.substr(kind.size() + 1)))
      return choice[field.substr(kind.size() + 1)];
  }
  return {};
}

/// A study's value of a protocol field; null where it has none. `measured` comes first.
json value_here(const std::string& field, const json& measured, const json& config,
                const json& reference) {
  if (measured.contains(field)) return measured[field];
  const auto part = [&](const char* name) { return config.value(name, json::object()); };
  if (field == "reference")
    return reference.value("model", json::object()).value("architecture", json());
  if (field == "context" || field == "train_context")
    return part("data").value("context_len", json());
  if (field == "dataset") {
    std::vector<std::string> corpora = part("data").value("corpus", std::vector<std::string>{});
    return corpora.empty() ? json() : json(join(corpora));
  }
  for (const char* name : {"data", "train", "model"}) {
    const json values = part(name);
    if (values.contains(field)) {
      const std::string chosen = chosen_type(values[field]);  // a part counts by its name
      return chosen.empty() ? values[field] : json(chosen);
    }
    if (const json setting = setting_of_part(values, field); !setting.is_null()) return setting;
  }
  // No command moves a model to another device, and no configuration says otherwise.
  if (field == "device") return "cpu";
  return contains(kKindFields, field) ? json("none") : json();
}

/// Compares the protocol with one variant; `mode` chose the measurement and is no field to compare.
void compare_protocol(const json& measured, const json& config, const json& reference,
                      ClaimLine& line) {
  line.differing.clear();
  line.unknown.clear();
  for (const auto& [field, there] : line.claim.protocol.items()) {
    if (there == "unknown") {
      line.unknown.push_back(field);
      continue;
    }
    if (field == "mode") continue;
    const json here = value_here(field, measured, config, reference);
    if (here != there) line.differing.push_back({field, there, here});
  }
}

/// Drops differences in fields that may be scaled.
std::vector<ProtocolDifference> identity_differences(const ClaimLine& line) {
  std::vector<ProtocolDifference> out;
  for (const ProtocolDifference& difference : line.differing)
    if (!contains(line.claim.scale, difference.field)) out.push_back(difference);
  return out;
}

double margin_of(const Claim& claim) {
  return claim.tolerance.absolute.value_or(claim.tolerance.ratio.value_or(0) *
                                           std::abs(claim.expected));
}

/// +1, -1: the measured effect is clearly above or below `none`; 0: it is not clear.
int clear_side(const ClaimMeasurement& measured, double none) {
  const auto interval = measured.bounds();
  if (!interval) return 0;
  if (measured.noise) {
    const std::string verdict = speed_verdict(measured.estimate, *measured.noise).verdict;
    return verdict == "faster" ? 1 : verdict == "slower" ? -1 : 0;
  }
  return interval->low > none ? 1 : interval->high < none ? -1 : 0;
}

/// A claim that there is no effect: the whole interval must lie within the tolerance.
void judge_equal(double margin, double none, bool same_protocol, ClaimLine& line) {
  const auto interval = line.measured->bounds();
  const bool inside = interval && interval->low >= none - margin && interval->high <= none + margin;
  const bool outside =
      interval && (interval->low > none + margin || interval->high < none - margin);
  line.verdict = !inside         ? ClaimVerdict::not_reproduced
                 : same_protocol ? ClaimVerdict::reproduced
                                 : ClaimVerdict::direction_only;
  line.reason = inside ? "" : outside ? "there is an effect" : "unclear";
}

/// The verdict of a line that has a measured value and whose identity fits.
void judge(ClaimLine& line) {
  const Claim& claim = line.claim;
  const bool same_protocol = line.differing.empty() && line.unknown.empty();
  const double margin = margin_of(claim);
  const bool close = std::abs(line.measured->estimate.value - claim.expected) <= margin;
  const ClaimKind kind = claim_kind(claim.metric).value();
  if (kind == ClaimKind::value && !claim.above) {
    line.verdict = !same_protocol ? ClaimVerdict::not_comparable
                   : close        ? ClaimVerdict::reproduced
                                  : ClaimVerdict::not_reproduced;
    line.reason = !same_protocol ? "a value has no direction"
                  : close        ? ""
                                 : "outside the tolerance";
    return;
  }
  const double none = no_effect_of(claim);
  if (claim.expected == none && !claim.above) {
    judge_equal(margin, none, same_protocol, line);
    return;
  }
  const int claimed = claim.above || claim.expected > none ? 1 : -1;
  const int side = clear_side(*line.measured, none);
  line.verdict = side != claimed          ? ClaimVerdict::not_reproduced
                 : same_protocol && close ? ClaimVerdict::reproduced
                                          : ClaimVerdict::direction_only;
  line.reason = side == -claimed          ? "opposite"
                : side == 0               ? "unclear"
                : same_protocol && !close ? "outside the tolerance"
                                          : "";
}

class Checker {
 public:
  explicit Checker(const StudyData& data)
      : data_(data), reference_(config_of(data, data.plan.compare_to)) {
    for (const VariantData& variant : data.variants)
      configs_[variant.name] = config_of(data, variant.name);
  }

  /// Appends the lines of one claim.
  void check(const Claim& claim, const std::string& set, std::vector<ClaimLine>& lines) const {
    ClaimLine line;
    line.claim = claim;
    line.set = set;
    std::vector<const VariantData*> subjects, fitting;
    for (const VariantData& variant : data_.variants)
      if (is_about(claim, configs_.at(variant.name))) subjects.push_back(&variant);
    if (subjects.empty()) {
      line.elsewhere = true;
      line.reason = "no such variant here";
      compare_protocol({}, reference_, reference_, line);
      std::erase_if(line.differing, [](const auto& d) { return !contains(kKindFields, d.field); });
      lines.push_back(line);
      return;
    }
    for (const VariantData* variant : subjects) {
      compare_protocol(selected_later(claim), configs_.at(variant->name), reference_, line);
      if (identity_differences(line).empty()) fitting.push_back(variant);
    }
    if (fitting.empty()) {
      lines.push_back(nearest(subjects, line));
      return;
    }
    const size_t before = lines.size();
    for (const VariantData* variant : fitting) add_measured(*variant, line, lines);
    if (lines.size() > before) return;
    const bool relative = claim_kind(claim.metric) != ClaimKind::value;
    const bool only_reference =
        relative && fitting.size() == 1 && fitting[0]->name == data_.plan.compare_to;
    const std::string unmet = unmet_condition(claim, data_);
    const std::string memory =
        data_.bench ? out_of_memory_reason(claim, *data_.bench, fitting[0]->name) : "";
    line.reason = !unmet.empty()    ? unmet
                  : !memory.empty() ? memory
                  : only_reference  ? "the only variant that fits is the reference"
                                    : "metric not measured: " + claim.metric;
    compare_protocol(selected_later(claim), configs_.at(fitting[0]->name), reference_, line);
    lines.push_back(line);
  }

 private:
  static bool is_about(const Claim& claim, const json& config) {
    return std::all_of(kKindFields.begin(), kKindFields.end(), [&](const std::string& field) {
      const json there = claim.protocol.value(field, json());
      return there.is_null() || there == "unknown" || there == value_here(field, {}, config, {});
    });
  }

  /// What a measurement decides is compared once one was chosen: until then it passes as equal.
  static json selected_later(const Claim& claim) {
    json out = json::object();
    for (const std::string& field : kMeasurementFields)
      if (claim.protocol.contains(field)) out[field] = claim.protocol[field];
    return out;
  }

  /// The line of the variant that differs least, when none fits.
  ClaimLine nearest(const std::vector<const VariantData*>& subjects, ClaimLine line) const {
    ClaimLine best;
    for (const VariantData* variant : subjects) {
      compare_protocol(selected_later(line.claim), configs_.at(variant->name), reference_, line);
      line.differing = identity_differences(line);
      line.variant = variant->name;
      if (best.variant.empty() || line.differing.size() < best.differing.size()) best = line;
    }
    return best;
  }

  void add_measured(const VariantData& variant, ClaimLine line,
                    std::vector<ClaimLine>& lines) const {
    const bool relative = claim_kind(line.claim.metric) != ClaimKind::value;
    if (relative && variant.name == data_.plan.compare_to) return;
    line.variant = variant.name;
    for (const ClaimMeasurement& measured : measure_claim(line.claim, data_, variant)) {
      line.measured = measured;
      compare_protocol(measured.protocol, configs_.at(variant.name), reference_, line);
      if (measured.assumed_keeps) line.differing.push_back({"kept tokens", "chosen", "forced"});
      if (line.claim.metric == "speedup_inference") line.unknown.push_back("prefill or decode");
      auto identity = identity_differences(line);
      std::erase_if(identity, [](const auto& d) { return d.field == "kept tokens"; });
      line.reason.clear();
      if (identity.empty()) {
        judge(line);
      } else {
        line.verdict = ClaimVerdict::not_comparable;
        line.differing = identity;
      }
      lines.push_back(line);
    }
  }

  const StudyData& data_;
  json reference_;
  std::map<std::string, json> configs_;
};

}  // namespace

double no_effect_of(const Claim& claim) {
  return claim_kind(claim.metric) == ClaimKind::ratio ? 1 : claim.above.value_or(0);
}

std::vector<ClaimLine> check_claims(const StudyData& data, const std::vector<ClaimSet>& sets) {
  const Checker checker(data);
  std::vector<ClaimLine> lines;
  for (const ClaimSet& set : sets)
    for (const Claim& claim : set.claims) checker.check(claim, set.name, lines);
  return lines;
}

}  // namespace sublab
