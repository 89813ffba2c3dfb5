// Looks at one text through one or two models, in evaluate mode: analysis/inspection.h says what
// comes out.
#pragma once

#include <string>
#include <vector>

#include "analysis/inspection/inspection.h"
#include "experiments/checkpoint/checkpoint.h"

namespace sublab {

/// The first tokens of a text and what each stands for.
struct TokenizedText {
  std::vector<int64_t> ids;
  std::vector<std::string> bytes;  ///< of each id
  bool exact = false;  ///< the bytes, one after another, are the beginning of the text itself
};

/// At most `max_tokens` of them.
TokenizedText tokenize(const std::string& text, const Tokenizer& tokenizer, int64_t max_tokens);

/// Reads the boundary id and `text` in windows of `window` inputs, each from its own start; the
/// last token is read, too. Losses are those of measure_perplexity with a stride of one window,
/// unless selection looks ahead (there, one input more changes the last window). `forced` decides
/// instead of the selectors; its ordinals count within each window. Fills tokens, modules and
/// window. Memory for one window at a time.
InspectedText inspect_tokens(const LanguageModel& model, const TokenizedText& text,
                             const Tokenizer& tokenizer, int64_t window,
                             const KeepRule* forced = nullptr);

struct NamedCheckpoint {
  std::string name;
  const Checkpoint* checkpoint;     ///< has a tokenizer
  std::string tokenizer_note = {};  ///< where that is not its own: what the page says about it
};

/// Inspects the text of file `path` with one or two checkpoints, through the same windows: as long
/// as the shorter of their contexts. Two that cut the text into different tokens show equally much
/// of it. Throws UserError where the text has no tokens.
Inspection inspect_text(const std::vector<NamedCheckpoint>& checkpoints, const std::string& path,
                        const std::string& text, int64_t max_tokens, const Parts& parts);

}  // namespace sublab
