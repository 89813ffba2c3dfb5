// Does a model look at what it may not see, and do its three modes agree? (docs/measurement.md)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/row_source.h"
#include "experiments/audit/audit_report.h"
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
};

/// Asks a model everything.
AuditReport audit_model(const AuditSubject& subject, const AuditSettings& settings);

/// Rows of `context_len` independent uniform tokens, labelled with the next one: no model can
/// predict them.
std::unique_ptr<RowSource> uniform_rows(int64_t vocab_size, int64_t context_len, uint64_t seed);

/// Trains `model` in place with the ordinary loop on `rows`, which must be uniform random tokens of
/// its vocabulary, then measures the loss of fresh rows in evaluate mode: it must stay above ln V -
/// 5 standard errors. Whoever gets below sees its target. At most `steps` steps of 512 tokens;
/// fewer where a step is expensive (the note says how many).
AuditCheck run_canary(LanguageModel& model, const RowSource& rows, int64_t steps, uint64_t seed);

/// Each label of rows 0 .. n_rows - 1 must be the next token of its row, or ignored. The last token
/// of a row predicts what is not in the row, so it is not checked.
AuditCheck check_labels(const RowSource& rows, int64_t n_rows);

}  // namespace sublab
