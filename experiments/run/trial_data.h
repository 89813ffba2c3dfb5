// What a trial trains on: text, or the rows of a task.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "experiments/catalog.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/text/text_data.h"

namespace sublab {

class TrialData {
 public:
  /// Opens the text, or makes the rows, of `seed`. Throws UserError.
  TrialData(const DataConfig& config, int64_t seed, const Catalog& catalog);

  /// Null where no text is trained on.
  const TextData* text() const { return text_ ? &*text_ : nullptr; }
  const RowSource& rows() const { return *rows_; }
  /// The same as packed text; null where no text is trained on.
  const PackedDocuments* packed() const { return packed_; }
  /// Of the trial's own ids.
  TokenizerIdentity tokenizer() const;
  /// The first `n` training rows, eight to a batch, on `device`.
  std::vector<Batch> batches(int64_t n, at::Device device) const;

 private:
  DataConfig config_;
  std::optional<TextData> text_;
  std::unique_ptr<RowSource> rows_;
  const PackedDocuments* packed_ = nullptr;
};

}  // namespace sublab
