// Record against record (analysis/verify_again.h).
#include "analysis/verify_again.h"

#include <algorithm>
#include <cmath>

#include "analysis/study/unlike_data.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace verify_again {

/// Relative. Sums of the same numbers in the same order are the same; this bears a last digit of
/// text.
constexpr double kSame = 1e-9;
/// Of weights that are only evaluated again, on another machine.
constexpr double kEvaluatedElsewhere = 1e-3;
/// Times the standard deviation over seeds, of a trial that was trained again on another machine.
constexpr double kSpreads = 4;
/// Two runs of an audit on one machine may part by rounding where nothing leaks.
constexpr double kMargin = 1e-10;

/// Resident sets and what the driver holds differ from run to run; older records have the former as
/// peak_memory_bytes.
bool is_measured_anew(const Metric& metric) {
  return metric.name == metric::kPeakResidentBytes || metric.name == metric::kPeakReservedBytes ||
         metric.name == metric::kDriverUsedBytes ||
         (metric.name == metric::kPeakMemoryBytes &&
          !metric.conditions.contains(condition::kPhase));
}

const Metric* find_same(const Metric& metric, const Record& record) {
  for (const Metric& each : record.metrics)
    if (each.name == metric.name && each.evaluation == metric.evaluation &&
        each.conditions == metric.conditions)
      return &each;
  return nullptr;
}

std::string name_of(const Metric& metric) {
  return metric.name + (metric.evaluation.empty() ? "" : " of " + metric.evaluation);
}

double relative(double a, double b) {
  if (a == b) return 0;
  return std::abs(a - b) / std::max({std::abs(a), std::abs(b), 1e-6});
}

/// Where two values of JSON part, numbers by more than kSame: "/lines/3/bytes is 4 instead of 5".
std::string first_difference(const json& before, const json& now, const std::string& path) {
  if (before.is_number() && now.is_number() &&
      relative(before.get<double>(), now.get<double>()) <= kSame)
    return "";
  if (before.type() == now.type() && before.is_structured() && before.size() == now.size()) {
    for (const auto& [key, value] : before.items()) {
      const json* other =
          now.is_object() ? (now.contains(key) ? &now[key] : nullptr) : &now[std::stoul(key)];
      const std::string at = path + "/" + key;
      const std::string found =
          other ? first_difference(value, *other, at) : at + " is not there now";
      if (!found.empty()) return found;
    }
    return "";
  }
  if (before == now) return "";
  const auto shown = [](const json& value) { return value.dump().substr(0, 80); };
  return path + " is " + shown(now) + " instead of " + shown(before);
}

/// Root of the mean square of the differences between two arrays; nothing for unlike ones.
std::optional<double> apart(const NpyArray& a, const NpyArray& b) {
  if (a.shape != b.shape || a.dtype != b.dtype) return std::nullopt;
  const std::vector<double> x = a.as_doubles(), y = b.as_doubles();
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]));
    sum += same ? 0 : (x[i] - y[i]) * (x[i] - y[i]);
  }
  return x.empty() ? 0 : std::sqrt(sum / static_cast<double>(x.size()));
}

class Comparison {
 public:
  Comparison(const TrialFiles& before, const TrialFiles& now, const std::vector<TrialFiles>& seeds,
             bool trained, Agreement& out)
      : before_(before), now_(now), seeds_(seeds), trained_(trained), out_(out) {}

  void compare() {
    const Record &a = before_.record, &b = now_.record;
    out_.machine = machine_differences(a.environment, b.environment);
    if (a.outcome != b.outcome) problem("outcome " + b.outcome + " instead of " + a.outcome);
    for (const std::string& each : content_differences(content_of(a), content_of(b)))
      problem(each + " than when the trial ran");
    json asked = json::array(), asked_now = json::array();
    for (const auto& each : a.evaluations) asked.push_back(write_fields(each));
    for (const auto& each : b.evaluations) asked_now.push_back(write_fields(each));
    differs(first_difference(asked, asked_now, "evaluations"));
    differs(first_difference(a.ledger, b.ledger, "ledger"));
    const char* weights = "weights_hash";
    if (trained_ && out_.same_machine() && a.provenance.contains(weights))
      differs(first_difference(a.provenance[weights], b.provenance.value(weights, json()),
                               "provenance/weights_hash"));
    compare_metrics();
    compare_arrays();
    compare_audit();
  }

 private:
  void problem(const std::string& text) { out_.problems.push_back(text); }
  void differs(const std::string& text) {
    if (!text.empty()) problem(text);
  }

  /// How far a number may lie from its record's, absolutely; nothing where nobody can tell.
  std::optional<double> allowed(const Metric& metric) const {
    const double size = std::max(std::abs(*metric.value), 1e-6);
    if (out_.same_machine()) return kSame * size;
    if (!trained_) return kEvaluatedElsewhere * size;
    const auto spread = seed_spread(metric, seeds_);
    if (!spread) return std::nullopt;
    return std::max(kSpreads * *spread, kEvaluatedElsewhere * size);
  }

  void compare_metrics() {
    int64_t untold = 0;
    for (const Metric& old : before_.record.metrics) {
      if (is_measured_anew(old)) continue;
      const Metric* found = find_same(old, now_.record);
      if (!found || old.value.has_value() != found->value.has_value()) {
        problem(name_of(old) + " came out as " +
                (found && found->value ? json(*found->value).dump() : "nothing") + " instead of " +
                (old.value ? json(*old.value).dump() : "nothing"));
        continue;
      }
      if (!old.value) continue;
      const auto tolerance = allowed(old);
      if (!tolerance) {
        ++untold;
        continue;
      }
      ++out_.numbers;
      if (std::abs(*found->value - *old.value) <= *tolerance) {
        out_.largest_difference =
            std::max(out_.largest_difference, relative(*found->value, *old.value));
        continue;
      }
      problem(name_of(old) + " came out as " + json(*found->value).dump() + " instead of " +
              json(*old.value).dump() +
              (out_.same_machine() || !trained_ ? "" : ", beyond the spread of seeds"));
    }
    for (const Metric& each : now_.record.metrics)
      if (!is_measured_anew(each) && !find_same(each, before_.record))
        problem(name_of(each) + " is not in the record");
    if (untold > 0)
      out_.remarks.push_back(std::to_string(untold) +
                             " numbers are held against nothing: one seed has no spread");
  }

  /// How far apart the seeds' arrays of this name lie at most.
  std::optional<double> spread_of(const std::string& name) const {
    std::optional<double> out;
    for (size_t i = 0; i < seeds_.size(); ++i)
      for (size_t j = 0; j < i; ++j) {
        const auto a = seeds_[i].arrays.find(name), b = seeds_[j].arrays.find(name);
        if (a == seeds_[i].arrays.end() || b == seeds_[j].arrays.end()) continue;
        if (const auto one = apart(a->second, b->second)) out = std::max(out.value_or(0), *one);
      }
    return out;
  }

  void compare_array(const std::string& name, const NpyArray& old, const NpyArray& found) {
    const auto distance = apart(old, found);
    if (!distance) return problem("the array " + name + " has another shape or type");
    ++out_.arrays;
    if (out_.same_machine()) {
      const std::vector<double> x = old.as_doubles(), y = found.as_doubles();
      for (size_t i = 0; i < x.size(); ++i)
        if (old.bytes != found.bytes && !(std::isnan(x[i]) && std::isnan(y[i])) &&
            relative(x[i], y[i]) > kSame)
          return problem("the array " + name + ": number " + std::to_string(i) + " came out as " +
                         json(y[i]).dump() + " instead of " + json(x[i]).dump());
      return;
    }
    const auto spread = spread_of(name);
    if (!spread) {
      --out_.arrays;
      out_.remarks.push_back("the array " + name +
                             " is held against nothing: no other seed has one like it");
    } else if (*distance > 2 * *spread) {
      problem("the array " + name + " is further from the record's than seeds are from each other");
    }
  }

  void compare_arrays() {
    for (const auto& [name, old] : before_.arrays) {
      const auto found = now_.arrays.find(name);
      if (found == now_.arrays.end())
        problem("the array " + name + " did not come again");
      else
        compare_array(name, old, found->second);
    }
    for (const auto& [name, found] : now_.arrays)
      if (!before_.arrays.contains(name)) problem("the array " + name + " is not in the study");
  }

  /// "leaks" of "leaks(position 3, margin 0.1)".
  static std::string kind_of(const json& audit) {
    const std::string verdict = audit.value("verdict", "not audited");
    return verdict.substr(0, verdict.find('('));
  }

  void compare_audit() {
    const json &a = before_.record.audit, &b = now_.record.audit;
    if (kind_of(a) != kind_of(b))
      return problem("the audit says '" + b.value("verdict", "not audited") + "' instead of '" +
                     a.value("verdict", "not audited") + "'");
    ++out_.checks;
    if (a.value("version", 1) != b.value("version", 1)) {
      out_.remarks.push_back("the audit asks other questions since: its verdict alone is compared");
      return;
    }
    if (!out_.same_machine()) return;
    for (const char* key : {"verdict", "expects", "longest_row", "borders"})
      differs(first_difference(a.value(key, json()), b.value(key, json()),
                               "audit/" + std::string(key)));
    json checks = a.value("checks", json::array()), again = b.value("checks", json::array());
    for (json* list : {&checks, &again})
      for (json& check : *list) {
        ++out_.checks;
        const double margin = check.value("margin", 0.0);
        if (margin < kMargin) check["margin"] = 0;
      }
    out_.checks -= static_cast<int64_t>(again.size());
    differs(first_difference(checks, again, "audit/checks"));
  }

  const TrialFiles &before_, &now_;
  const std::vector<TrialFiles>& seeds_;
  bool trained_;
  Agreement& out_;
};

}  // namespace verify_again

TrialFiles with_arrays(Record record, const fs::path& study_folder) {
  TrialFiles out{std::move(record), {}};
  const fs::path path = arrays_path(study_folder, out.record.id);
  if (fs::exists(path)) out.arrays = read_npz(path);
  return out;
}

std::string Agreement::verdict() const {
  if (!problems.empty()) return "does not come again";
  if (same_machine()) return "comes again";
  return "another machine: compare within the spread of seeds";
}

Agreement hold_against(const TrialFiles& before, const TrialFiles& now,
                       const std::vector<TrialFiles>& seeds, bool trained) {
  Agreement out;
  verify_again::Comparison(before, now, seeds, trained, out).compare();
  return out;
}

std::vector<std::string> machine_differences(const json& before, const json& now) {
  std::vector<std::string> out;
  for (const char* key :
       {"cpu", "instruction_set", "cpu_capability", "libtorch", "blas", "compiler", "threads"}) {
    // Records from before a key was written say nothing of it.
    if (!before.contains(key) || !now.contains(key) || before[key] == now[key]) continue;
    out.push_back(std::string(key) + " is " + now[key].dump() + ", was " + before[key].dump());
  }
  return out;
}

std::optional<double> seed_spread(const Metric& metric, const std::vector<TrialFiles>& seeds) {
  std::vector<double> values;
  for (const TrialFiles& each : seeds)
    if (const Metric* same = verify_again::find_same(metric, each.record); same && same->value)
      values.push_back(*same->value);
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  double mean = 0, sum = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / (n - 1));
}

}  // namespace sublab
