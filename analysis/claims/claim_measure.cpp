// Finds the value that a claim speaks of, with its interval.
#include "analysis/claims/claim_measure.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/study/compare.h"
#include "analysis/study/questions.h"
#include "analysis/text/format.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {

const std::vector<std::string> kMeasurementFields = {"context", "batch", "dtype",        "stride",
                                                     "shots",   "depth", "decode_tokens"};

namespace {

/// What a metric can be; its interval ends there.
Interval range_of(const std::string& name) {
  const MetricInfo info = metric_info(name);
  if (info.low == info.high) return {-INFINITY, INFINITY};
  return {info.low, info.high};
}

void cut(const Interval& range, Estimate& estimate) {
  if (!estimate.interval) return;
  estimate.interval->low = std::max(estimate.interval->low, range.low);
  estimate.interval->high = std::min(estimate.interval->high, range.high);
}

/// Which metric of each record a claim is about.
struct Subject {
  std::string name;
  json apart = json::object();  ///< conditions of its own, as of one module
  EvaluationOf of = {};         ///< null: Record::find_headline
  const AskedQuestion* question = nullptr;

  const Metric* in(const Record& record) const {
    if (of) return record.find_in(of(record), name, apart);
    return record.find_headline(name, apart);
  }
  bool is_loss() const { return name == metric::kLossNats && apart.empty(); }
};

/// Records that hold the metric: the study's own trials, else those of a probe.
std::vector<const Record*> records_with(const VariantData& variant, const Subject& subject) {
  std::vector<const Record*> out;
  const auto collect = [&](const std::vector<Record>& records) {
    for (const Record* record : good_of(records)) {
      const Metric* found = subject.in(*record);
      if (found && found->value) out.push_back(record);
    }
  };
  collect(variant.records);
  for (const auto& [name, records] : variant.probes)
    if (out.empty() && name != kTuneProbe) collect(records);
  return out;
}

/// Takes the interval away where the rows or the text that it comes from are too few for one.
void refuse_too_few(const Subject& subject, const VariantData& variant,
                    const std::vector<const Record*>& records, Estimate& estimate) {
  double rows = 0;
  for (const Record* record : records)
    rows += subject.in(*record)->conditions.value(condition::kRows, 0.0);
  const std::string why = metric::is_accuracy(subject.name) && rows > 0
                              ? too_few_clusters(rows, "rows")
                          : metric_info(subject.name).of_text ? too_little_text(variant)
                                                              : "";
  if (why.empty()) return;
  estimate.interval.reset();
  estimate.no_interval = why;
}

/// Mean over seeds; with one seed the interval of a proportion where rows were counted.
bool read_records(const Subject& subject, const VariantData& variant, ClaimMeasurement& out) {
  const auto records = records_with(variant, subject);
  if (records.empty()) return false;
  out.target = target_of(static_cast<int64_t>(records.size()));
  for (const Record* record : records) out.records.push_back(record->id);
  const Metric& first = *subject.in(*records.front());
  for (const std::string& field : kMeasurementFields)
    if (first.conditions.contains(field)) out.protocol[field] = first.conditions[field];
  if (first.conditions.contains(condition::kWindow))
    out.protocol["context"] = first.conditions[condition::kWindow];
  if (subject.is_loss()) {
    const Estimate loss = variant_loss(variant, subject.question);
    if (loss.clusters > 0) {
      out.estimate = loss;
      return true;
    }
  }
  std::vector<double> values;
  for (const Record* record : records) values.push_back(*subject.in(*record)->value);
  if (values.size() > 1) {
    out.estimate = mean_over_seeds(values);
    cut(range_of(subject.name), out.estimate);
    refuse_too_few(subject, variant, records, out.estimate);
    return true;
  }
  const double n = first.conditions.value(condition::kRows, 0.0);
  out.estimate = metric::is_accuracy(subject.name) && n > 0 ? proportion(values[0] * n, n)
                                                            : one_number(values[0]);
  return true;
}

/// Difference of two proportions by Newcombe's hybrid of Wilson's intervals. The rows are the same
/// in both, which this does not use: the interval is wide rather than narrow.
Estimate proportion_difference(const Estimate& a, const Estimate& b) {
  const Interval &of_a = *a.interval, &of_b = *b.interval;
  const auto square = [](double x) { return x * x; };
  const double value = a.value - b.value;
  const double below = std::sqrt(square(a.value - of_a.low) + square(of_b.high - b.value));
  const double over = std::sqrt(square(of_a.high - a.value) + square(b.value - of_b.low));
  return {value, Interval{value - below, value + over}, a.clusters, ""};
}

/// Variant minus reference, paired by seed.
bool read_difference(const Subject& subject, const VariantData& variant,
                     const VariantData& reference, ClaimMeasurement& out) {
  if (subject.is_loss()) {
    const Comparison compared =
        compare_losses(variant, reference, DifferenceUnit::nats_per_token, subject.question);
    out.estimate = compared.difference;
    out.target = compared.target();
    out.records = compared.records;
    return compared.possible;
  }
  std::vector<double> differences;
  for (const Record* own : records_with(variant, subject))
    for (const Record* other : records_with(reference, subject))
      if (own->seed == other->seed) {
        differences.push_back(*subject.in(*own)->value - *subject.in(*other)->value);
        out.records.insert(out.records.end(), {own->id, other->id});
      }
  if (differences.empty()) return false;
  out.target = target_of(static_cast<int64_t>(differences.size()));
  const bool of_shares = metric::is_accuracy(subject.name);
  if (differences.size() > 1) {
    out.estimate = mean_over_seeds(differences);
    if (of_shares) cut({-1, 1}, out.estimate);
    refuse_too_few(subject, variant, records_with(variant, subject), out.estimate);
    return true;
  }
  ClaimMeasurement a, b;
  const bool shares = of_shares && read_records(subject, variant, a) &&
                      read_records(subject, reference, b) && a.estimate.interval &&
                      b.estimate.interval;
  out.estimate =
      shares ? proportion_difference(a.estimate, b.estimate) : one_number(differences[0]);
  return true;
}

/// One subject per question that the claim fits; a single one where each trial has one answer, and
/// for what the headline decides. Conditions that no question has are the metric's own.
std::vector<Subject> subjects_of(const Claim& claim, const std::string& name,
                                 const std::vector<TaskQuestions>& tasks) {
  json of_question = json::object(), apart = claim.conditions;
  for (const TaskQuestions& task : tasks)
    for (const AskedQuestion& question : task.questions)
      for (const auto& [key, value] : question.conditions.items())
        if (apart.contains(key)) {
          of_question[key] = apart[key];
          apart.erase(key);
        }
  std::vector<Subject> out;
  const bool of_headline = of_question.empty() && metric_info(name).of_text;
  for (const TaskQuestions& task : tasks)
    for (const AskedQuestion& question : task.questions) {
      const bool fits = std::all_of(
          of_question.items().begin(), of_question.items().end(), [&](const auto& item) {
            return question.conditions.value(item.key(), json()) == item.value();
          });
      if (!of_headline && (task.spanned || !of_question.empty()) && fits)
        out.push_back(
            {.name = name, .apart = apart, .of = answer_in(question), .question = &question});
    }
  if (out.empty() && of_question.empty()) out.push_back({.name = name, .apart = apart});
  return out;
}

}  // namespace

/// Why a claim's conditions fit nothing that was measured.
namespace claim_conditions {

/// The values of each condition, in their order.
using Values = std::map<std::string, std::set<json>>;

void add(const std::vector<Record>& records, const std::string& metric_name, Values& out) {
  for (const Record* record : good_of(records))
    for (const Metric& metric : record->metrics) {
      if (metric.name != metric_name) continue;
      json conditions = metric.conditions;
      if (const RecordedEvaluation* evaluation = record->evaluation(metric.evaluation))
        conditions.update(evaluation->conditions);
      for (const auto& [key, value] : conditions.items()) out[key].insert(value);
    }
}

/// `metric_name` as the claim's condition says it was not measured.
std::string problem(const std::string& metric_name, const std::string& key, const json& value,
                    const Values& values) {
  std::vector<std::string> known;
  const auto found = values.find(key);
  if (found == values.end()) {
    for (const auto& each : values) known.push_back(each.first);
    const std::string near = nearest_name(key, known);
    return "unknown condition '" + key + "' of " + metric_name +
           (near.empty() ? "" : "; did you mean '" + near + "'?") + " (measured: " + join(known) +
           ")";
  }
  if (found->second.count(value)) return "";
  for (const json& each : found->second) known.push_back(unquoted(each));
  return "no evaluation with " + key + " " + unquoted(value) + "; measured: " + join(known);
}

}  // namespace claim_conditions

std::optional<Interval> ClaimMeasurement::bounds() const {
  return exact ? Interval{estimate.value, estimate.value} : estimate.interval;
}

std::vector<ClaimMeasurement> measure_claim(const Claim& claim, const StudyData& data,
                                            const VariantData& variant) {
  if (is_of_speed(claim))
    return data.bench ? speed_of_claim(claim, *data.bench, variant.name)
                      : std::vector<ClaimMeasurement>{};
  const std::string difference = "_difference";
  const bool relative = claim.metric.ends_with(difference);
  const std::string name =
      relative ? claim.metric.substr(0, claim.metric.size() - difference.size()) : claim.metric;
  const auto tasks = questions_of(data);
  std::vector<ClaimMeasurement> out;
  const auto add = [&](const Subject& subject) {
    ClaimMeasurement one;
    if (subject.question) one.condition = subject.question->label;
    if (relative ? read_difference(subject, variant, data.variant(data.plan.compare_to), one)
                 : read_records(subject, variant, one))
      out.push_back(one);
  };
  try {
    for (const Subject& subject : subjects_of(claim, name, tasks)) add(subject);
    if (out.empty() && claim.conditions.empty()) add({.name = name});
  } catch (const AmbiguousMetric&) {
    out.clear();  // the claim does not say which of several numbers it is about
  }
  return out;
}

std::string unmet_condition(const Claim& claim, const StudyData& data) {
  const std::string difference = "_difference";
  std::string name = claim.metric;
  if (name.ends_with(difference)) name.resize(name.size() - difference.size());
  claim_conditions::Values values;
  for (const VariantData& variant : data.variants) {
    claim_conditions::add(variant.records, name, values);
    for (const auto& [probe, records] : variant.probes)
      if (probe != kTuneProbe) claim_conditions::add(records, name, values);
  }
  if (values.empty()) return "";
  for (const auto& [key, value] : claim.conditions.items())
    if (const std::string why = claim_conditions::problem(name, key, value, values); !why.empty())
      return why;
  return "";
}

}  // namespace sublab
