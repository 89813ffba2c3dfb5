// Interleaved speed measurement of a study's variants: results/<study>/bench/<id>.json.
#pragma once

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
  std::vector<double> kept_fraction;  ///< realised, per subsampling module; empty without any
  bool assumed_keeps = false;    ///< keeps were forced at a stated rate for want of a checkpoint
  double peak_memory_bytes = 0;  ///< resident set above start-up

  template <class F>
  void fields(F& f) {
    f("variant", variant, "variant name");
    f("trial", trial, "trial whose checkpoint was used");
    f("repeat_of_reference", repeat_of_reference, "1: the reference measured a second time",
      within(0, 1));
    f("tokens_per_round", tokens_per_round, "tokens processed in one round", above(0));
    f("seconds", seconds, "seconds of each round");
    f("ideal_speedup", ideal_speedup, "what the ledger allows");
    f("kept_fraction", kept_fraction, "realised, per module");
    f("assumed_keeps", assumed_keeps, "keeps forced for want of a checkpoint");
    f("peak_memory_bytes", peak_memory_bytes, "resident set above start-up");
  }
};

struct BenchMeasurement {
  std::string mode;  ///< "train", "prefill" or "decode"
  int64_t context = 0;
  int64_t batch = 0;
  std::string dtype = "float32";
  std::vector<BenchSeries> series;

  template <class F>
  void fields(F& f) {
    f("mode", mode, "what was timed", one_of({"train", "prefill", "decode"}));
    f("context", context, "tokens per row");
    f("batch", batch, "rows");
    f("dtype", dtype, "number format");
    f("series", series, "one per variant");
  }
};

struct BenchFile {
  int64_t schema = 1;
  std::string compare_to;
  std::vector<BenchMeasurement> measurements;
  json environment = json::object();
  json provenance = json::object();

  template <class F>
  void fields(F& f) {
    f("schema", schema, "version of this layout", within(1, 1));
    f("compare_to", compare_to, "reference variant");
    f("measurements", measurements, "one per mode, context and batch");
    f("environment", environment, "machine and libraries");
    f("provenance", provenance, "code version");
  }
};

}  // namespace sublab
