// Who is asked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/row_source.h"
#include "models/language_model.h"

namespace sublab {

/// What is audited.
struct AuditSubject {
  /// The model anew each time, weights as given: the audit converts them to fp64 and adds noise.
  std::function<std::unique_ptr<LanguageModel>()> make;
  std::string expects = "causal";  ///< what the catalog says of the architecture
  /// Whether a row may be cut before the token of this ordinal so that steps equal whole rows.
  /// Empty: everywhere. At other cuts they need not.
  std::function<bool(int64_t ordinal)> exact_cut = {};
  /// The architecture with its initial weights and any vocabulary; empty = no canary.
  std::function<std::unique_ptr<LanguageModel>(int64_t vocab_size)> make_untrained = {};
  /// Rows that the model is trained on as a predictor of the next token; null = none to check.
  const RowSource* rows = nullptr;
  /// Ordinals of a row before which a tile, chunk or segment ends (borders_of, audit_places.h).
  std::vector<int64_t> borders = {};
  int64_t context_len = 0;  ///< tokens of a row in training, which the audit passes; 0 = not known
  /// Tokens up to which a row's logits do not depend on how long it is, where longer ones may, as
  /// the catalog says (RopeEntry::length_dependent_beyond); nothing: they never do.
  std::optional<int64_t> length_dependent_beyond = {};
};

}  // namespace sublab
