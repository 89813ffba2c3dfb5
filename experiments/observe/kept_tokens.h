// Which tokens of a text went how deep, and what kind of tokens they are.
#pragma once

#include <vector>

#include "core/schema/token_classes.h"
#include "data/tokenizer.h"
#include "models/language_model.h"

namespace sublab {

/// The class of each id, as an index into kTokenClasses. A token is classed by its first character
/// that is no blank; a letter starts a word where the text before it does not end in a letter.
std::vector<uint8_t> token_classes(const std::vector<int64_t>& ids, const Tokenizer& tokenizer);

/// For each module the tokens of its parent level in batch row `row`, as places in the row at level
/// 0, in order. `n_tokens` is the row's length at level 0.
std::vector<std::vector<int64_t>> parent_places(const RecordedKeeps& keeps,
                                                const LanguageModel& model, int64_t row,
                                                int64_t n_tokens);

/// The deepest level that each token of batch row `row` reached, 0 = the outermost blocks only.
/// `n_tokens` is the row's length at level 0.
std::vector<uint8_t> depths_of(const RecordedKeeps& keeps, const LanguageModel& model, int64_t row,
                               int64_t n_tokens);

}  // namespace sublab
