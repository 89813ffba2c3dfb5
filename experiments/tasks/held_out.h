// Held-out documents as perplexity scores them, and what counting alone says of them.
#pragma once

#include <string>
#include <vector>

#include "experiments/tasks/task.h"
#include "experiments/text/text_data.h"

namespace sublab::perplexity {

/// What is scored of a document.
struct Beginning {
  std::vector<int64_t> ids;
  std::string text;    ///< that the tokenizer makes of them
  bool exact = false;  ///< it is the document's own
};

/// The first `max_tokens` of a document (0 = all of them).
Beginning beginning_of(const TokenShard& shard, int64_t document, int64_t max_tokens,
                       const Tokenizer& tokenizer);

/// Settles which beginnings are exact of documents that the tokenizer loses something of: what it
/// loses may stand behind them.
void compare_with_text(const TextData& data, Split split, const std::vector<int64_t>& chosen,
                       std::vector<Beginning>& beginnings);

/// What counting gets from the rows that the model was trained on, each counted once, on
/// `documents`: the mean loss in nats of an interpolated trigram.
double trigram_loss(const TaskContext& context, const std::vector<std::vector<int64_t>>& documents);

}  // namespace sublab::perplexity
