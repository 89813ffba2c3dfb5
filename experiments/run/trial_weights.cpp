// Weights that come from elsewhere (experiments/run/trial_weights.h).
#include "experiments/run/trial_weights.h"

#include <utility>

#include "experiments/text/content.h"
#include "models/interchange/tensors.h"

namespace sublab {

int64_t start_from(const fs::path& folder, const TrialConfig& config, const TrialData& data,
                   const Catalog& catalog, LanguageModel& model, Record& record) {
  const Checkpoint parent = load_checkpoint(folder, catalog);
  const TokenizerIdentity theirs = identity_of(parent);
  const TokenizerMatch found =
      check_from_tokenizer(theirs, data.tokenizer(), config.train, "/train");
  record.provenance["from"] = {{"checkpoint", config.train.from},
                               {"tokenizer", theirs.name},
                               {"tokenizer_hash", theirs.hash},
                               {"tokenizer_is", found == TokenizerMatch::same    ? "the same"
                                                : found == TokenizerMatch::other ? "another"
                                                                                 : "not known"}};
  for (const auto& [key, cost] : {std::pair("trained_tokens", parent.info.trained_tokens),
                                  std::pair("trained_flops", parent.info.trained_flops)})
    if (cost) record.provenance["from"][key] = *cost;
  model.graft(copy_shared_weights(*parent.model, model, folder.string()), folder.string());
  return parent.info.context_len;
}

std::unique_ptr<LanguageModel> trained_model(const fs::path& folder, const TrialConfig& config,
                                             const TrialData& data, const Catalog& catalog,
                                             at::Device device) {
  Checkpoint trained = load_checkpoint(folder, catalog, json::object(), device);
  const TokenizerIdentity theirs = identity_of(trained), own = data.tokenizer();
  if (match(theirs, own) == TokenizerMatch::other)
    throw UserError(folder.string(), "was trained with the tokenizer " + theirs.text() +
                                         "; here '" + config.data.tokenizer + "' makes " +
                                         own.text());
  return std::move(trained.model);
}

}  // namespace sublab
