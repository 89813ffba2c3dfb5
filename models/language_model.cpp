// What every language model does alike.
#include "models/language_model.h"

#include "core/error.h"
#include "models/transfer.h"

namespace sublab {

void LanguageModel::graft(const std::set<std::string>& missing, const std::string& where) {
  if (!missing.empty()) throw UserError(where, "has no tensor " + *missing.begin());
}

Batch Batch::to(at::Device device) const {
  return {sent_to(device, tokens), rows, hints.defined() ? sent_to(device, hints) : hints};
}

at::Tensor run_model(const LanguageModel& model, const Batch& batch, DecodeState* state,
                     const Run& run) {
  return model.forward(batch, model.embed(batch.tokens), state, run);
}

int64_t declared_length(const Run& run, DecodeState* state) {
  return state ? state->declare(run.declared_length) : run.declared_length;
}

Batch continue_rows(const DecodeState& state, at::Tensor tokens,
                    const std::vector<int64_t>& lengths) {
  return {std::move(tokens), Rows::contiguous(lengths, state.lengths())};
}

}  // namespace sublab
