// Greedy answers to several prompts at once, for evaluation.
#pragma once

#include <vector>

#include "models/language_model.h"

namespace sublab {

/// What is read, and how far it may be continued.
struct PromptRow {
  std::vector<int64_t> input;      ///< two tokens or more, the boundary among them
  std::vector<double> hints = {};  ///< of each of them, where a task knows which matter
  int64_t max_tokens = 16;
};

struct RowsToContinue {
  std::vector<PromptRow> rows;
  std::vector<int64_t> stop_ids;
  int64_t declared_length = 0;  ///< of every row, see Run::declared_length
};

/// Of each row the most likely tokens, up to one of `stop_ids` (left out) or to its max_tokens;
/// equal likelihood goes to the smaller id. Rows lie one after another, prompts are read some
/// thousand tokens at a time, and a row that has ended takes no further step. Throws UserError for
/// logits that are not finite.
std::vector<std::vector<int64_t>> continue_greedily(const LanguageModel& model,
                                                    const RowsToContinue& asked,
                                                    Activity& activity);

}  // namespace sublab
