// One model on the CPU and its twin on another device, with the same numbers.
#pragma once

#include <numeric>

#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

namespace sublab {

struct Twins {
  std::unique_ptr<LanguageModel> here, there;

  Twins(const ModelCase& subject, at::Device device, at::ScalarType dtype = at::kDouble)
      : here(fitted_model(subject, dtype)) {
    there = subject.entry->make(subject.config, kSmallVocab, {1, device}, tree_catalog().parts);
    convert_model(*there, dtype);
    if (!copy_shared_weights(*here, *there, "test").empty())
      throw std::logic_error("twins of one model have different weights");
  }
};

inline Run training_run(const Coins& coins) {
  Run run;
  run.mode = Mode::train;
  run.coins = &coins;
  return run;
}

inline at::Tensor loss_of(const LanguageModel& model, const Batch& batch, const Run& run) {
  return lm_loss(run_model(model, batch, nullptr, run), model.head_weight(), batch.tokens.roll(-1),
                 static_cast<double>(batch.tokens.numel()));
}

/// Random tokens that continue the state's rows by these lengths.
inline Batch next_batch(const DecodeState& state, const std::vector<int64_t>& lengths) {
  const int64_t n = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  return with_token_hints(continue_rows(state, at::randint(kSmallVocab, {n}, at::kLong), lengths));
}

}  // namespace sublab
