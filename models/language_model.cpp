#include "models/language_model.h"

#include "core/error.h"

namespace sublab {

void DecodeState::advance(const Rows& rows) {
  for (int64_t b = 0; b < rows.n_rows(); ++b) lengths_[b] += rows.length(b);
}

void LanguageModel::graft(const std::set<std::string>& missing, const std::string& where) {
  if (!missing.empty()) throw UserError(where, "has no tensor " + *missing.begin());
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
