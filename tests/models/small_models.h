// Small models and batches for tests.
#pragma once

#include <memory>

#include "experiments/examples.h"
#include "experiments/text/token_hints.h"
#include "models/interchange/tensors.h"

namespace sublab {

inline constexpr int64_t kSmallVocab = 61;

/// The variants of this tree.
inline const Catalog& tree_catalog() {
  static const Catalog catalog = built_in_catalog();
  return catalog;
}

/// The model of a config whose missing sizes are small; scorers start large enough to drop tokens.
inline std::unique_ptr<LanguageModel> small_model(json given, at::ScalarType dtype = at::kFloat,
                                                  int64_t vocab_size = kSmallVocab) {
  const Catalog catalog = built_in_catalog();
  const ArchitectureEntry& entry = catalog.architecture(given.at("architecture"), "test");
  for (const FieldHelp& field : entry.describe()) {
    if (field.name == "d_model" && !given.contains("d_model")) given["d_model"] = 32;
    if (field.name == "n_heads" && !given.contains("n_heads")) given["n_heads"] = 4;
  }
  auto model =
      entry.make(entry.resolve(given, "/model", catalog.parts), vocab_size, 1, catalog.parts);
  if (dtype != at::kFloat) convert_model(*model, dtype);
  return model;
}

/// A model of any size without numbers, to be costed.
inline std::unique_ptr<LanguageModel> costed_model(const json& given, int64_t vocab_size) {
  const Catalog catalog = built_in_catalog();
  const ArchitectureEntry& entry = catalog.architecture(given.at("architecture"), "test");
  return entry.make(entry.resolve(given, "/model", catalog.parts), vocab_size, Initial::shapes(),
                    catalog.parts);
}

inline Batch random_batch(const std::vector<int64_t>& lengths, int64_t vocab_size = kSmallVocab) {
  const RowsPtr rows = Rows::contiguous(lengths);
  return with_token_hints({at::randint(0, vocab_size, {rows->n_tokens()}, at::kLong), rows});
}

/// A model as it is before and after training: tokens counted, thresholds fitted.
inline std::unique_ptr<LanguageModel> fitted(std::unique_ptr<LanguageModel> model) {
  at::manual_seed(7);
  std::vector<Batch> batches;
  for (int i = 0; i < 4; ++i) batches.push_back(random_batch({20, 20, 20, 20}));
  model->prepare(batches);
  model->calibrate(batches);
  return model;
}

/// The fitted model of an example of the catalog.
inline std::unique_ptr<LanguageModel> fitted_model(const ModelCase& each,
                                                   at::ScalarType dtype = at::kFloat) {
  auto model = fitted(each.entry->make(each.config, kSmallVocab, 1, tree_catalog().parts));
  if (dtype != at::kFloat) convert_model(*model, dtype);
  return model;
}

inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace sublab
