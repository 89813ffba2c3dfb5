// Does a model look at what it may not see, and do its three modes agree? (docs/measurement.md)
#pragma once

#include <memory>

#include "experiments/audit/audit_report.h"
#include "experiments/audit/audit_subject.h"

namespace sublab {

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
