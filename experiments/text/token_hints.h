// Hints for random tokens: what a question that has no task behind it gives to scorers that read a
// task's hints.
#pragma once

#include "core/random.h"
#include "models/language_model.h"

namespace sublab {

/// A number in [-1, 1) that is a function of the token alone, so that other tokens have other hints
/// and a token has the same one however its row is cut.
inline double token_hint(int64_t token) {
  return 2 * unit_interval(mix_bits(static_cast<uint64_t>(token))) - 1;
}

/// The batch with a hint for each token.
inline Batch with_token_hints(Batch batch) {
  const at::Tensor tokens = batch.tokens.to(at::kCPU).contiguous();
  const at::Tensor hints = at::empty(tokens.sizes(), at::kDouble);
  const auto* token = tokens.const_data_ptr<int64_t>();
  auto* hint = hints.data_ptr<double>();
  for (int64_t i = 0; i < tokens.numel(); ++i) hint[i] = token_hint(token[i]);
  batch.hints = hints.to(batch.tokens.device());
  return batch;
}

}  // namespace sublab
