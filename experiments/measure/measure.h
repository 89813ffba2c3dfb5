// Speed and memory of a study's variants, side by side (docs/measurement.md).
//
// One worker process per variant and mode, all of a mode resident; the coordinator (rounds.h)
// grants rounds in the order of a balanced Latin square (balanced_turns.h), so that drift of the
// machine, and what one leaves behind for the next, fall on all alike. The reference runs twice: A
// against A is the noise floor. A cell (a variant under one condition) that does not fit in memory
// is an outcome; the others go on.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/process.h"
#include "core/progress.h"
#include "core/schema/bench.h"
#include "core/schema/plan.h"
#include "core/schema/study.h"
#include "core/schema/trial_order.h"
#include "experiments/catalog.h"

namespace sublab {

/// Of RoundOrder::mode: do no work, give the device's free memory back.
inline constexpr const char* kGiveBack = "give_back";

/// One round that the coordinator grants.
struct RoundOrder {
  std::string mode;
  int64_t context = 0, batch = 0, decode_tokens = 0, round = 0, repeats = 1;
  json flops_per_s = json::object();  ///< of this machine, by number format; empty = not known
  double bytes_per_s = 0;             ///< of this machine; 0 = not known
  std::string dtype = "float32";      ///< of prefill and decode
  /// Begin with a pass that is not timed, and end by giving the device's free memory back.
  bool gives_memory_back = false;

  /// This machine's matmul rate in a number format; 0 where it is not known.
  double flops_per_s_in(const std::string& dtype) const { return flops_per_s.value(dtype, 0.0); }

  template <class F>
  void fields(F& f) {
    f("mode", mode, "train, prefill, decode or give_back");
    f("context", context, "tokens per row");
    f("batch", batch, "rows");
    f("decode_tokens", decode_tokens, "tokens generated per row");
    f("round", round, "number; picks the text");
    f("repeats", repeats, "times that the work is done within the round");
    f("flops_per_s", flops_per_s, "measured matmul rate by number format");
    f("bytes_per_s", bytes_per_s, "measured read bandwidth");
    f("dtype", dtype, "of prefill and decode");
    f("gives_memory_back", gives_memory_back, "between rounds");
  }
};

/// What a worker answers.
struct RoundResult {
  double seconds = 0, tokens = 0;
  /// Ledger FLOPs (train, prefill) or bytes (decode) per token, at the realised keeps.
  double cost = 0;
  double flops_per_token = 0, bytes_per_token = 0;  ///< of the ledger, at the realised keeps
  double roofline_s = 0;  ///< what the ledger takes per token at least, by the order's rates
  std::vector<double> kept_fraction, reached_fraction;
  double peak_memory_bytes = 0;
  bool assumed_keeps = false;
  std::string dtype = "float32";
  std::string device = "cpu";
  double time_to_first_token_ms = 0;  ///< median over the repeats; 0 in mode train
  double token_latency_ms = 0, token_latency_ms_p95 = 0;  ///< over the steps of a decode round
  double kv_cache_bytes = 0;
  std::optional<double> peak_reserved_bytes, driver_used_bytes;  ///< of a device
  /// "ok" or "out_of_memory": then `detail` says so, nothing else holds, and the worker has ended.
  std::string outcome = "ok";
  std::string detail;

  bool ran() const { return outcome == "ok"; }

  template <class F>
  void fields(F& f) {
    f("seconds", seconds, "time of the round");
    f("tokens", tokens, "tokens processed");
    f("cost", cost, "ledger cost per token");
    f("flops_per_token", flops_per_token, "of the ledger");
    f("bytes_per_token", bytes_per_token, "of the ledger");
    f("roofline_s", roofline_s, "least time per token");
    f("kept_fraction", kept_fraction, "realised");
    f("reached_fraction", reached_fraction, "passes in which any token entered");
    f("peak_memory_bytes", peak_memory_bytes, "bytes of tensors at the peak, weights included");
    f("assumed_keeps", assumed_keeps, "keeps were forced");
    f("dtype", dtype, "number format of the activations");
    f("device", device, "kind of device that it ran on");
    f("time_to_first_token_ms", time_to_first_token_ms, "prompt to first logits");
    f("token_latency_ms", token_latency_ms, "median step");
    f("token_latency_ms_p95", token_latency_ms_p95, "95th percentile");
    f("kv_cache_bytes", kv_cache_bytes, "held at the end");
    f("peak_reserved_bytes", peak_reserved_bytes, "of the caching allocator, at the peak");
    f("driver_used_bytes", driver_used_bytes, "of the card by its driver, all processes");
    f("outcome", outcome, "how it ended", one_of({"ok", "out_of_memory"}));
    f("detail", detail, "of an outcome other than ok");
  }
};

/// Reads rounds from standard input, one JSON object per line, and answers each on standard output,
/// until the input ends. Where memory runs out, or with a budget (0 = none) the process's tensors
/// would take more bytes than that, weights included, it answers so and ends with kOutOfMemoryExit.
void serve_rounds(const TrialOrder& ordered, const fs::path& study_folder, const Catalog& catalog,
                  double memory_budget_bytes);
inline constexpr int kOutOfMemoryExit = 75;

/// The main trials of the first seed: those whose speed is measured.
std::vector<const PlannedTrial*> measured_trials(const Plan& plan);

/// A process that serves rounds of one variant.
class BenchWorker {
 public:
  BenchWorker(const Plan& plan, const PlannedTrial& trial, const fs::path& study_folder,
              const std::string& log_name, double memory_budget_bytes = 0);
  /// The answer; that memory ran out, where the process ended for want of it, or the kernel ended
  /// it. Throws UserError when it stopped for another reason. `while_waiting` is called ten times a
  /// second until the answer is there.
  RoundResult ask(const RoundOrder& order, const std::function<void()>& while_waiting = {});
  const PlannedTrial& trial() const { return trial_; }

 private:
  const PlannedTrial& trial_;
  fs::path log_;
  std::unique_ptr<ChildProcess> process_;
};

/// The largest batches within the budget of the plan's `measure`, a process per try. Throws
/// UserError when the machine, or the card behind `device`, has less memory than the budget.
std::vector<LargestBatch> find_largest_batches(const Plan& plan, const fs::path& study_folder,
                                               at::Device device, ProgressLine& progress);

}  // namespace sublab
