// Interleaved speed measurement of a study's variants: results/<study>/bench/<id>.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// One variant under one condition. `seconds[r]` is the time of round r; the rounds of all variants
/// of one measurement were granted in turn, so seconds[r] of two variants form a pair.
struct BenchSeries {
  std::string variant;
  std::string trial;  ///< id of the trial whose checkpoint was used, or "" (random weights)
  int64_t repeat_of_reference =
      0;  ///< 1 for the second run of compare_to: A against A, the noise floor
  double tokens_per_round = 0;
  std::vector<double> seconds;
  double ideal_speedup = 1;  ///< ledger of compare_to / own ledger, at the realised kept counts
  /// The same with each line of the ledger weighted by the time that this machine's matmul rate and
  /// read bandwidth allow it, whichever is longer; nothing in files that have no calibration.
  std::optional<double> ideal_speedup_weighted;
  /// What the ledger says of a token at the realised kept counts; nothing in older files.
  std::optional<double> flops_per_token, bytes_per_token;
  std::vector<double> kept_fraction;  ///< realised, per subsampling module; empty without any
  /// Share of the passes in which any token entered, per module.
  std::vector<double> reached_fraction;
  bool assumed_keeps = false;  ///< keeps were forced at a stated rate for want of a checkpoint
  /// Of tensors at the peak, weights included. Files of schema 1: resident set above start-up.
  double peak_memory_bytes = 0;
  /// Per round, in prefill and decode: from the prompt to the logits of the first new token.
  std::vector<double> time_to_first_token_ms;
  std::vector<double> token_latency_ms;      ///< per round, in decode: median over its steps
  std::vector<double> token_latency_ms_p95;  ///< the same, 95th percentile
  double kv_cache_bytes = 0;                 ///< held by all rows at the end, in decode
  /// On a device: what its caching allocator held at most, and what its driver said was taken once
  /// the last round was done, by all processes together: every variant's worker is resident.
  std::optional<double> peak_reserved_bytes, driver_used_bytes;
  std::optional<double> ledger_memory_bytes =
      {};  ///< what the ledger says that it takes at the peak
  /// "ok", or "out_of_memory": then there are no rounds, and `detail` says what was asked for.
  std::string outcome = "ok";
  std::string detail = {};

  bool ran() const { return outcome == "ok"; }

  template <class F>
  void fields(F& f) {
    f("variant", variant, "variant name");
    f("trial", trial, "trial whose checkpoint was used");
    f("repeat_of_reference", repeat_of_reference, "1: the reference measured a second time",
      within(0, 1));
    f("tokens_per_round", tokens_per_round, "tokens processed in one round", within(0, 1e300));
    f("seconds", seconds, "seconds of each round", above(0));
    f("ideal_speedup", ideal_speedup, "what the ledger allows", above(0));
    f("ideal_speedup_weighted", ideal_speedup_weighted, "the same, by this machine's rates");
    f("flops_per_token", flops_per_token, "of the ledger, at the realised keeps");
    f("bytes_per_token", bytes_per_token, "of the ledger, at the realised keeps");
    f("kept_fraction", kept_fraction, "realised, per module");
    f("reached_fraction", reached_fraction, "passes that entered, per module");
    f("assumed_keeps", assumed_keeps, "keeps forced for want of a checkpoint");
    f("peak_memory_bytes", peak_memory_bytes, "bytes of tensors at the peak");
    f("time_to_first_token_ms", time_to_first_token_ms, "per round");
    f("token_latency_ms", token_latency_ms, "per round, median over its steps");
    f("token_latency_ms_p95", token_latency_ms_p95, "per round, over its steps");
    f("kv_cache_bytes", kv_cache_bytes, "held at the end, all rows");
    f("peak_reserved_bytes", peak_reserved_bytes, "of the caching allocator, at the peak");
    f("driver_used_bytes", driver_used_bytes, "of the card by its driver, all processes");
    f("ledger_memory_bytes", ledger_memory_bytes, "peak by the ledger");
    f("outcome", outcome, "how it ended", one_of({"ok", "out_of_memory"}));
    f("detail", detail, "of an outcome other than ok");
  }
};

struct BenchMeasurement {
  std::string mode;  ///< "train", "prefill" or "decode"
  int64_t context = 0;
  int64_t batch = 0;
  std::string dtype = "float32";
  std::vector<BenchSeries> series;
  std::string device = "cpu";  ///< kind
  /// The card before and after the rounds, and what was sampled while they ran (the range of its SM
  /// clock, the reasons that held it down); null on the CPU.
  json card = nullptr;
  /// Both series of the reference come from one process: two did not fit beside the other variants.
  bool reference_shares_process = false;
  /// The variants do not fit beside each other at their peaks: each gave its free memory back after
  /// a round and began the next with a pass that is not timed.
  bool gives_memory_back = false;

  /// The rounds of a variant, or the second ones of the reference; null where there are none.
  const BenchSeries* find(const std::string& variant, bool repeat = false) const {
    for (const BenchSeries& each : series)
      if (each.ran() && each.variant == variant && (each.repeat_of_reference == 1) == repeat)
        return &each;
    return nullptr;
  }
  /// The series of a variant that ran out of memory; null where it did not.
  const BenchSeries* out_of_memory(const std::string& variant) const {
    for (const BenchSeries& each : series)
      if (!each.ran() && each.variant == variant && each.repeat_of_reference == 0) return &each;
    return nullptr;
  }

  template <class F>
  void fields(F& f) {
    f("mode", mode, "what was timed", one_of({"train", "prefill", "decode"}));
    f("context", context, "tokens per row");
    f("batch", batch, "rows");
    f("dtype", dtype, "number format");
    f("device", device, "kind of device");
    f("card", card, "clocks, power and throttle reasons");
    f("reference_shares_process", reference_shares_process, "one process for its two series");
    f("gives_memory_back", gives_memory_back, "between rounds");
    f("series", series, "one per variant");
  }
};

/// The largest batch of one variant that stayed within the study's memory budget.
struct LargestBatch {
  std::string variant, trial;
  std::string mode;  ///< "train" or "decode"
  int64_t context = 0;
  int64_t batch = 0;      ///< 0: not even one row
  double peak_bytes = 0;  ///< measured with that batch, as BenchSeries::peak_memory_bytes
  bool at_limit = false;  ///< the search ended at the largest batch that it tries
  bool assumed_keeps = false;
  std::vector<int64_t> tried;       ///< every batch that was tried, in order
  std::vector<double> tried_bytes;  ///< what it took; 0 where it was stopped above the budget

  template <class F>
  void fields(F& f) {
    f("variant", variant, "variant name");
    f("trial", trial, "trial whose checkpoint was used");
    f("mode", mode, "what was run", one_of({"train", "decode"}));
    f("context", context, "tokens per row");
    f("batch", batch, "rows that fit");
    f("peak_bytes", peak_bytes, "measured with that batch");
    f("at_limit", at_limit, "more was not tried");
    f("assumed_keeps", assumed_keeps, "keeps forced for want of a checkpoint");
    f("tried", tried, "batches tried");
    f("tried_bytes", tried_bytes, "what each took; 0 = stopped above the budget");
  }
};

/// Of the layout of speed measurements. Older ones are read: what they lack has its default. 1 had
/// resident sets for memory; 2 neither cards nor outcomes.
inline constexpr int64_t kBenchSchema = 3;

struct BenchFile {
  int64_t schema = kBenchSchema;
  std::string compare_to;
  std::vector<BenchMeasurement> measurements;
  double memory_budget_bytes = 0;  ///< 0: no batch was searched for
  std::vector<LargestBatch> largest_batches;
  json calibration = json::object();  ///< this machine's rates, measured in the same run
  json environment = json::object();
  json provenance = json::object();
  std::string digest;  ///< as a record's

  template <class F>
  void fields(F& f) {
    f("schema", schema, "version of this layout", within(1, kBenchSchema));
    f("compare_to", compare_to, "reference variant");
    f("measurements", measurements, "one per mode, context and batch");
    f("memory_budget_bytes", memory_budget_bytes, "for largest_batches");
    f("largest_batches", largest_batches, "one per mode, context and variant");
    f("calibration", calibration, "matmul rate and bandwidth");
    f("environment", environment, "machine and libraries");
    f("provenance", provenance, "code version");
    f("digest", digest, "SHA-256 of the rest");
  }
};

}  // namespace sublab
