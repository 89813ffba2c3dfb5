// How a study's speed is measured.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// How the study's speed is measured.
struct MeasureConfig {
  std::vector<std::string> modes = {"train", "prefill", "decode"};
  std::vector<int64_t> context = {256};
  std::vector<int64_t> batch = {1};
  int64_t rounds = 9;
  int64_t decode_tokens = 32;
  std::string dtype = "float32";
  int64_t memory_budget_bytes = 0;
  std::vector<int64_t> modelled_context;

  template <class F>
  void fields(F& f) {
    f("modes", modes, "what is timed", one_of({"train", "prefill", "decode"}));
    f("context", context, "tokens per row", within(1, 1 << 24));
    f("batch", batch, "rows", within(1, 1 << 16));
    f("rounds", rounds, "interleaved rounds", within(9, 10000));
    f("decode_tokens", decode_tokens, "tokens generated per row and round", within(1, 1 << 20));
    f("dtype", dtype,
      "of weights, activations and caches in prefill and decode; training has its own",
      one_of({"float32", "bfloat16"}));
    f("memory_budget_bytes", memory_budget_bytes,
      "also find the largest batch of train and decode that stays within this; 0 = off",
      within(0, 1e15));
    f("modelled_context", modelled_context,
      "further contexts whose cost is modelled from the measured ones", within(1, 1e9));
  }
};

/// Throws UserError below `path` for a list that names a value twice and for what has no effect.
void check_measure(const MeasureConfig& measure, const std::string& path);

}  // namespace sublab
