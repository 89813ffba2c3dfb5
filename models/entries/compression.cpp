// What shortening a prompt costs, and the member that leaves it as it is.
#include "models/entries/compression.h"

#include "models/ledger.h"

namespace sublab {

void CompressionCost::add_pass(const LanguageModel& model, int64_t n_tokens) {
  Ledger ledger;
  model.add_cost(CostShape::whole_rows(1, n_tokens), ledger);
  tokens_read += static_cast<double>(n_tokens);
  flops += ledger.flops_causal();
}

namespace compression {

class None : public PromptCompressor {
 public:
  Question compress(const Question& question, CompressionCost&) const override { return question; }
};

}  // namespace compression

CompressionEntry none_compression() {
  return entry_of<CompressionEntry, NoSettings, compression::None>("none", "the prompt as it is",
                                                                   "no change");
}

}  // namespace sublab
