// Text or rows of a trial (experiments/run/trial_data.h).
#include "experiments/run/trial_data.h"

#include "experiments/train/step.h"

namespace sublab {

TrialData::TrialData(const DataConfig& config, int64_t seed, const Catalog& catalog)
    : config_(config) {
  if (config.on_text()) {
    text_.emplace(config, catalog.data);
    auto rows = text_->rows(seed);
    packed_ = rows.get();
    rows_ = std::move(rows);
  } else {
    rows_ = catalog.row_maker(config.train_task(), "/data/train_on")
                .rows(config.train_on, config.context_len, static_cast<uint64_t>(seed));
  }
}

TokenizerIdentity TrialData::tokenizer() const {
  return text_ ? identity_of(text_->tokenizer(), config_.tokenizer)
               : identity_of_task(config_.train_task());
}

std::vector<Batch> TrialData::batches(int64_t n, at::Device device) const {
  std::vector<Batch> out;
  for (int64_t i = 0; i < n; i += 8) out.push_back(make_batch(*rows_, i, 8, device).batch);
  return out;
}

}  // namespace sublab
