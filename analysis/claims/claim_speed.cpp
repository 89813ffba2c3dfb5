// Claims about speed and memory: the value of a speed measurement.
#include <algorithm>
#include <cmath>

#include "analysis/claims/claim_measure.h"
#include "analysis/study/utilisation.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

constexpr const char* kUtilisation = "hardware_utilisation";
const char* const kThisMachine = "this machine and these weights";

/// The modes of the speed measurement in which a metric can be read; empty for other metrics.
std::vector<std::string> modes_of(const Claim& claim) {
  const std::string& metric = claim.metric;
  for (const std::string mode : {"train", "prefill", "decode"})
    if (metric == "speedup_" + mode || metric == mode + "_tokens_per_s") return {mode};
  if (metric == "speedup_inference") return {"prefill", "decode"};
  if (metric == "time_to_first_token_ms") return {"prefill"};
  if (metric == "token_latency_ms" || metric.starts_with("kv_cache_")) return {"decode"};
  if (!metric.starts_with("peak_memory_") && metric != kUtilisation) return {};
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

/// The series of one measurement that a value is read from.
struct SeriesTrio {
  const BenchSeries& own;
  const BenchSeries* reference;
  const BenchSeries* again;            ///< the reference a second time
  std::optional<double> memory_noise;  ///< see memory_noise()
  std::vector<double> utilisation;     ///< of each round
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
  if (metric == metric::kPeakMemoryBytes || metric == "kv_cache_bytes") {
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
  if (metric == kUtilisation) samples = of.utilisation;
  out.estimate = median_estimate(samples);
  return !samples.empty();
}

}  // namespace

bool is_of_speed(const Claim& claim) { return !modes_of(claim).empty(); }

std::vector<ClaimMeasurement> speed_of_claim(const Claim& claim, const BenchFile& bench,
                                             const std::string& variant) {
  std::vector<ClaimMeasurement> out;
  for (const BenchMeasurement* measurement : fitting(claim, bench)) {
    const BenchSeries* own = measurement->find(variant);
    if (!own) continue;
    ClaimMeasurement one;
    const SeriesTrio of{
        *own, measurement->find(bench.compare_to), measurement->find(bench.compare_to, true),
        memory_noise(bench, measurement->mode), utilisation_of(bench, *measurement, *own)};
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

std::string out_of_memory_reason(const Claim& claim, const BenchFile& bench,
                                 const std::string& variant) {
  const bool relative = claim_kind(claim.metric) != ClaimKind::value;
  for (const BenchMeasurement* measurement : fitting(claim, bench))
    for (const std::string& name : {variant, bench.compare_to}) {
      if (name != variant && !relative) continue;
      if (!measurement->out_of_memory(name)) continue;
      return name + " is out of memory at " + measurement->mode + ", context " +
             std::to_string(measurement->context) + ", batch " + std::to_string(measurement->batch);
    }
  return "";
}

}  // namespace sublab
