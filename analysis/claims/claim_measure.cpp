#include "analysis/claims/claim_measure.h"

#include <algorithm>
#include <cmath>

#include "analysis/study/compare.h"
#include "analysis/text/format.h"

namespace sublab {

const std::vector<std::string> kMeasurementFields = {"context", "batch", "dtype",        "stride",
                                                     "shots",   "depth", "decode_tokens"};

namespace {

const char* const kThisMachine = "this machine and these weights";

/// The modes of the speed measurement in which a metric can be read; empty for other metrics.
std::vector<std::string> modes_of(const Claim& claim) {
  const std::string& metric = claim.metric;
  for (const std::string mode : {"train", "prefill", "decode"})
    if (metric == "speedup_" + mode || metric == mode + "_tokens_per_s") return {mode};
  if (metric == "speedup_inference") return {"prefill", "decode"};
  if (metric == "time_to_first_token_ms") return {"prefill"};
  if (metric == "token_latency_ms" || metric.starts_with("kv_cache_")) return {"decode"};
  if (!metric.starts_with("peak_memory_")) return {};
  const std::string mode = claim.protocol.value("mode", "unknown");
  if (mode == "inference") return {"prefill", "decode"};
  if (mode == "unknown") return {"train", "prefill", "decode"};
  return {mode};
}

/// Keeps the measurements whose `size` is nearest to what the protocol names, by ratio.
void keep_nearest(std::vector<const BenchMeasurement*>& found, const json& wanted,
                  int64_t BenchMeasurement::*size) {
  if (!wanted.is_number() || wanted.get<double>() <= 0) return;
  const auto distance = [&](const BenchMeasurement* measurement) {
    return std::abs(std::log(static_cast<double>(measurement->*size) / wanted.get<double>()));
  };
  double nearest = INFINITY;
  for (const BenchMeasurement* measurement : found)
    nearest = std::min(nearest, distance(measurement));
  std::erase_if(found, [&](const BenchMeasurement* m) { return distance(m) > nearest + 1e-12; });
}

std::vector<const BenchMeasurement*> fitting(const Claim& claim, const BenchFile& bench) {
  std::vector<const BenchMeasurement*> out;
  for (const std::string& mode : modes_of(claim)) {
    std::vector<const BenchMeasurement*> found;
    for (const BenchMeasurement& measurement : bench.measurements)
      if (measurement.mode == mode) found.push_back(&measurement);
    keep_nearest(found, claim.protocol.value("context", json()), &BenchMeasurement::context);
    keep_nearest(found, claim.protocol.value("batch", json()), &BenchMeasurement::batch);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

/// Median of samples with the interval that order statistics give.
Estimate median_estimate(const std::vector<double>& samples) {
  return speed_ratio(samples, std::vector<double>(samples.size(), 1.0));
}

Estimate one_number(double value) { return {value, {}, 0, "one number"}; }

/// What a metric can be; its interval ends there.
Interval range_of(const std::string& metric) {
  const bool share = metric.ends_with("_accuracy") || metric.starts_with("kept_fraction_");
  if (metric == "selection_gap_nats" || metric.starts_with("kept_drift"))
    return {-INFINITY, INFINITY};
  return {0, share ? 1 : INFINITY};
}

void cut(const Interval& range, Estimate& estimate) {
  if (!estimate.interval) return;
  estimate.interval->low = std::max(estimate.interval->low, range.low);
  estimate.interval->high = std::min(estimate.interval->high, range.high);
}

/// The series of one measurement that a value is read from.
struct SeriesTrio {
  const BenchSeries& own;
  const BenchSeries* reference;
  const BenchSeries* again;            ///< the reference a second time
  std::optional<double> memory_noise;  ///< see memory_noise()
};

/// By how much the peaks of the reference's two runs differ at most in one mode, as a share.
std::optional<double> memory_noise(const BenchFile& bench, const std::string& mode) {
  std::optional<double> out;
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchSeries* first = measurement.find(bench.compare_to);
    const BenchSeries* again = measurement.find(bench.compare_to, true);
    if (measurement.mode != mode || !first || !again || first->peak_memory_bytes <= 0) continue;
    out = std::max(out.value_or(0),
                   std::abs(again->peak_memory_bytes / first->peak_memory_bytes - 1));
  }
  return out;
}

/// Reference's peak minus the own one. A difference below what the reference's two runs differ by
/// means nothing.
bool memory_saved(const SeriesTrio& of, ClaimMeasurement& out) {
  if (!of.reference || of.reference->peak_memory_bytes <= 0 || of.own.peak_memory_bytes <= 0)
    return false;
  const double saved = of.reference->peak_memory_bytes - of.own.peak_memory_bytes;
  out.estimate = one_number(saved);
  if (!of.memory_noise) return true;
  const double noise = *of.memory_noise * of.reference->peak_memory_bytes;
  out.exact = noise == 0;
  if (!out.exact) out.estimate.interval = {saved - noise, saved + noise};
  out.target = "peaks of one run; interval: the reference against itself";
  return true;
}

/// Fills the value of `metric`; false where it was not measured.
bool read_series(const std::string& metric, const SeriesTrio& of, ClaimMeasurement& out) {
  out.target = kThisMachine;
  std::vector<double> samples;
  if (metric.starts_with("speedup_")) {
    if (!of.reference || of.own.seconds.empty()) return false;
    out.estimate = speed_ratio(of.reference->seconds, of.own.seconds);
    out.noise = of.again ? speed_ratio(of.reference->seconds, of.again->seconds) : one_number(1);
    return true;
  }
  if (metric == "peak_memory_saved_bytes") return memory_saved(of, out);
  if (metric == "kv_cache_saved_bytes") {
    if (!of.reference || of.reference->kv_cache_bytes <= 0) return false;
    out.estimate = one_number(of.reference->kv_cache_bytes - of.own.kv_cache_bytes);
    out.exact = true;
    return true;
  }
  if (metric == "peak_memory_bytes" || metric == "kv_cache_bytes") {
    const double bytes =
        metric == "kv_cache_bytes" ? of.own.kv_cache_bytes : of.own.peak_memory_bytes;
    out.estimate = one_number(bytes);
    out.exact = metric == "kv_cache_bytes";  // counted, not measured
    return bytes > 0;
  }
  if (metric == "time_to_first_token_ms") samples = of.own.time_to_first_token_ms;
  if (metric == "token_latency_ms") samples = of.own.token_latency_ms;
  if (metric.ends_with("_tokens_per_s"))
    for (const double seconds : of.own.seconds)
      samples.push_back(of.own.tokens_per_round / seconds);
  out.estimate = median_estimate(samples);
  return !samples.empty();
}

std::vector<ClaimMeasurement> from_bench(const Claim& claim, const BenchFile& bench,
                                         const std::string& variant) {
  std::vector<ClaimMeasurement> out;
  for (const BenchMeasurement* measurement : fitting(claim, bench)) {
    const BenchSeries* own = measurement->find(variant);
    if (!own) continue;
    ClaimMeasurement one;
    const SeriesTrio of{*own, measurement->find(bench.compare_to),
                        measurement->find(bench.compare_to, true),
                        memory_noise(bench, measurement->mode)};
    if (!read_series(claim.metric, of, one)) continue;
    one.condition = measurement->mode + ", context " + std::to_string(measurement->context) +
                    ", batch " + std::to_string(measurement->batch);
    one.protocol = {{"context", measurement->context},
                    {"batch", measurement->batch},
                    {"dtype", measurement->dtype}};
    one.assumed_keeps = own->assumed_keeps;
    one.records = {own->trial};
    if (of.reference && claim_kind(claim.metric) != ClaimKind::value)
      one.records.push_back(of.reference->trial);
    std::erase(one.records, "");  // weights of no trial
    for (const double kept : own->kept_fraction)
      one.kept += (one.kept.empty() ? "" : " / ") + fixed(kept, 2);
    out.push_back(one);
  }
  return out;
}

/// Records that hold the metric: the study's own trials, else those of a probe.
std::vector<const Record*> records_with(const VariantData& variant, const std::string& metric) {
  std::vector<const Record*> out;
  const auto collect = [&](const std::vector<Record>& records) {
    for (const Record& record : records) {
      const Metric* found = record.find(metric);
      if (record.outcome == "ok" && found && found->value) out.push_back(&record);
    }
  };
  collect(variant.records);
  for (const auto& [name, records] : variant.probes)
    if (out.empty() && name != "tune") collect(records);
  return out;
}

/// Takes the interval away where the rows or the text that it comes from are too few for one.
void refuse_too_few(const std::string& metric, const VariantData& variant,
                    const std::vector<const Record*>& records, Estimate& estimate) {
  double rows = 0;
  for (const Record* record : records)
    rows += record->find(metric)->conditions.value("n_rows", 0.0);
  const bool of_rows = metric.ends_with("_accuracy");
  const bool of_text = metric.starts_with("valid_") || metric.starts_with("loss_") ||
                       metric.starts_with("kept_fraction_") || metric == "selection_gap_nats";
  const std::string why = of_rows && rows > 0 ? too_few_clusters(rows, "rows")
                          : of_text           ? too_little_text(variant)
                                              : "";
  if (why.empty()) return;
  estimate.interval.reset();
  estimate.no_interval = why;
}

/// Mean over seeds; with one seed the interval of a proportion where rows were counted.
bool read_records(const std::string& metric, const VariantData& variant, ClaimMeasurement& out) {
  const auto records = records_with(variant, metric);
  if (records.empty()) return false;
  out.target = target_of(static_cast<int64_t>(records.size()));
  for (const Record* record : records) out.records.push_back(record->id);
  const Metric& first = *records.front()->find(metric);
  for (const std::string& field : kMeasurementFields)
    if (first.conditions.contains(field)) out.protocol[field] = first.conditions[field];
  if (first.conditions.contains("window")) out.protocol["context"] = first.conditions["window"];
  if (metric == "valid_loss_nats" && !variant.losses.empty()) {
    out.estimate = variant_loss(variant);
    return true;
  }
  std::vector<double> values;
  for (const Record* record : records) values.push_back(*record->find(metric)->value);
  if (values.size() > 1) {
    out.estimate = mean_over_seeds(values);
    cut(range_of(metric), out.estimate);
    refuse_too_few(metric, variant, records, out.estimate);
    return true;
  }
  const double n = first.conditions.value("n_rows", 0.0);
  out.estimate =
      metric.ends_with("_accuracy") && n > 0 ? proportion(values[0] * n, n) : one_number(values[0]);
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
bool read_difference(const std::string& metric, const VariantData& variant,
                     const VariantData& reference, ClaimMeasurement& out) {
  if (metric == "valid_loss_nats") {
    const Comparison compared = compare_losses(variant, reference);
    out.estimate = compared.difference;
    out.target = compared.target();
    out.records = compared.records;
    return compared.possible;
  }
  std::vector<double> differences;
  for (const Record* own : records_with(variant, metric))
    for (const Record* other : records_with(reference, metric))
      if (own->seed == other->seed) {
        differences.push_back(*own->find(metric)->value - *other->find(metric)->value);
        out.records.insert(out.records.end(), {own->id, other->id});
      }
  if (differences.empty()) return false;
  out.target = target_of(static_cast<int64_t>(differences.size()));
  if (differences.size() > 1) {
    out.estimate = mean_over_seeds(differences);
    if (metric.ends_with("_accuracy")) cut({-1, 1}, out.estimate);
    refuse_too_few(metric, variant, records_with(variant, metric), out.estimate);
    return true;
  }
  ClaimMeasurement a, b;
  const bool shares = metric.ends_with("_accuracy") && read_records(metric, variant, a) &&
                      read_records(metric, reference, b) && a.estimate.interval &&
                      b.estimate.interval;
  out.estimate =
      shares ? proportion_difference(a.estimate, b.estimate) : one_number(differences[0]);
  return true;
}

}  // namespace

std::optional<Interval> ClaimMeasurement::bounds() const {
  return exact ? Interval{estimate.value, estimate.value} : estimate.interval;
}

std::vector<ClaimMeasurement> measure_claim(const Claim& claim, const StudyData& data,
                                            const VariantData& variant) {
  if (!modes_of(claim).empty())
    return data.bench ? from_bench(claim, *data.bench, variant.name)
                      : std::vector<ClaimMeasurement>{};
  ClaimMeasurement out;
  const std::string difference = "_difference";
  const bool found =
      claim.metric.ends_with(difference)
          ? read_difference(claim.metric.substr(0, claim.metric.size() - difference.size()),
                            variant, data.variant(data.plan.compare_to), out)
          : read_records(claim.metric, variant, out);
  return found ? std::vector{out} : std::vector<ClaimMeasurement>{};
}

}  // namespace sublab
