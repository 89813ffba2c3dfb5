// Means and samples of rounds (experiments/measure/cell.h).
#include "experiments/measure/cell.h"

#include <algorithm>
#include <set>

namespace sublab {
namespace cell {

double mean(const std::vector<RoundResult>& rounds, double RoundResult::*value) {
  double sum = 0;
  for (const RoundResult& round : rounds) sum += round.*value;
  return sum / static_cast<double>(rounds.size());
}

std::vector<double> mean(const std::vector<RoundResult>& rounds,
                         std::vector<double> RoundResult::*per_module) {
  std::vector<double> out((rounds.front().*per_module).size(), 0);
  for (const RoundResult& round : rounds)
    for (size_t m = 0; m < out.size(); ++m) out[m] += (round.*per_module).at(m);
  for (double& value : out) value /= static_cast<double>(rounds.size());
  return out;
}

void keep_most(std::optional<double>& most, const std::optional<double>& value) {
  if (value) most = std::max(most.value_or(0), *value);
}

void add_samples(const std::string& mode, const std::vector<RoundResult>& rounds,
                 BenchSeries& series) {
  for (const RoundResult& round : rounds) {
    series.seconds.push_back(round.seconds);
    series.peak_memory_bytes = std::max(series.peak_memory_bytes, round.peak_memory_bytes);
    keep_most(series.peak_reserved_bytes, round.peak_reserved_bytes);
    keep_most(series.driver_used_bytes, round.driver_used_bytes);
    if (mode == "train") continue;
    series.time_to_first_token_ms.push_back(round.time_to_first_token_ms);
    if (mode == "prefill") continue;
    series.token_latency_ms.push_back(round.token_latency_ms);
    series.token_latency_ms_p95.push_back(round.token_latency_ms_p95);
  }
}

/// `reference` is null where it did not run.
void add_costs(const std::vector<RoundResult>& rounds, const std::vector<RoundResult>* reference,
               BenchSeries& series) {
  series.flops_per_token = mean(rounds, &RoundResult::flops_per_token);
  series.bytes_per_token = mean(rounds, &RoundResult::bytes_per_token);
  series.kept_fraction = mean(rounds, &RoundResult::kept_fraction);
  series.reached_fraction = mean(rounds, &RoundResult::reached_fraction);
  series.kv_cache_bytes = mean(rounds, &RoundResult::kv_cache_bytes);
  if (!reference) return;
  series.ideal_speedup = mean(*reference, &RoundResult::cost) / mean(rounds, &RoundResult::cost);
  const double own = mean(rounds, &RoundResult::roofline_s);
  if (own > 0) series.ideal_speedup_weighted = mean(*reference, &RoundResult::roofline_s) / own;
}

BenchSeries series_of(const std::string& mode, const SubjectRounds& subject,
                      const std::vector<RoundResult>* reference) {
  BenchSeries out;
  out.variant = subject.trial->variant;
  out.repeat_of_reference = subject.repeat_of_reference;
  if (subject.ledger_memory_bytes > 0) out.ledger_memory_bytes = subject.ledger_memory_bytes;
  if (!subject.ran()) {
    out.outcome = "out_of_memory";
    out.detail = subject.out_of_memory;
    return out;
  }
  const RoundResult& first = subject.rounds.front();
  out.trial = first.assumed_keeps ? "" : subject.trial->id;
  out.tokens_per_round = first.tokens;
  out.assumed_keeps = first.assumed_keeps;
  add_costs(subject.rounds, reference, out);
  add_samples(mode, subject.rounds, out);
  return out;
}

}  // namespace cell

BenchMeasurement measurement_of(const RoundOrder& order, const std::vector<SubjectRounds>& subjects,
                                const std::string& compare_to) {
  std::set<std::string> dtypes, devices;
  const std::vector<RoundResult>* reference = nullptr;
  for (const SubjectRounds& subject : subjects) {
    if (!subject.ran()) continue;
    dtypes.insert(subject.rounds.front().dtype);
    devices.insert(subject.rounds.front().device);
    if (subject.trial->variant == compare_to && !subject.repeat_of_reference)
      reference = &subject.rounds;
  }
  BenchMeasurement out{.mode = order.mode,
                       .context = order.context,
                       .batch = order.batch,
                       .dtype = join({dtypes.begin(), dtypes.end()}, " / "),
                       .series = {},
                       .device = join({devices.begin(), devices.end()}, " / ")};
  for (const SubjectRounds& subject : subjects)
    out.series.push_back(cell::series_of(order.mode, subject, reference));
  out.gives_memory_back = order.gives_memory_back;
  return out;
}

}  // namespace sublab
