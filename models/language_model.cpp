#include "models/language_model.h"

namespace sublab {

void DecodeState::advance(const Rows& rows) {
  for (int64_t b = 0; b < rows.n_rows(); ++b) lengths_[b] += rows.length(b);
}

at::Tensor run_model(const LanguageModel& model, const Batch& batch, DecodeState* state,
                     const Run& run) {
  return model.forward(batch, model.embed(batch.tokens), state, run);
}

Batch continue_rows(const DecodeState& state, at::Tensor tokens,
                    const std::vector<int64_t>& lengths) {
  return {std::move(tokens), Rows::contiguous(lengths, state.lengths())};
}

}  // namespace sublab
