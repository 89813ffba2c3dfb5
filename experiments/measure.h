// Speed and memory of a study's variants, side by side (docs/measurement.md).
//
// One worker process per variant, all resident; the coordinator grants rounds in balanced random
// order, so that drift of the machine falls on all alike. The reference runs twice: A against A is
// the noise floor.
#pragma once

#include "core/progress.h"
#include "core/schema/bench.h"
#include "core/schema/plan.h"
#include "core/schema/study.h"
#include "experiments/catalog.h"

namespace sublab {

/// One round that the coordinator grants.
struct RoundOrder {
  std::string mode;
  int64_t context = 0, batch = 0, decode_tokens = 0, round = 0, repeats = 1;

  template <class F>
  void fields(F& f) {
    f("mode", mode, "train, prefill or decode");
    f("context", context, "tokens per row");
    f("batch", batch, "rows");
    f("decode_tokens", decode_tokens, "tokens generated per row");
    f("round", round, "number; picks the text");
    f("repeats", repeats, "times that the work is done within the round");
  }
};

/// What a worker answers.
struct RoundResult {
  double seconds = 0, tokens = 0;
  double cost =
      0;  ///< ledger FLOPs (train, prefill) or bytes (decode) per token, at the realised keeps
  std::vector<double> kept_fraction;
  double peak_memory_bytes = 0;
  bool assumed_keeps = false;

  template <class F>
  void fields(F& f) {
    f("seconds", seconds, "time of the round");
    f("tokens", tokens, "tokens processed");
    f("cost", cost, "ledger cost per token");
    f("kept_fraction", kept_fraction, "realised");
    f("peak_memory_bytes", peak_memory_bytes, "resident set above the model's own");
    f("assumed_keeps", assumed_keeps, "keeps were forced");
  }
};

/// Reads rounds from standard input, one JSON object per line, and answers each on standard output,
/// until the input ends.
void serve_rounds(const PlannedTrial& trial, const fs::path& study_folder, const Catalog& catalog);

/// Measures all variants of the plan and writes bench/<id>.json; does nothing when it is there.
void measure_study(const Plan& plan, const fs::path& study_folder, const Catalog& catalog,
                   ProgressLine& progress);

}  // namespace sublab
