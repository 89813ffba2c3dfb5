// The plain member of the kind `compression`.
#include "data/compression.h"

namespace sublab {
namespace {

class WholeContext : public PromptCompressor {
 public:
  PromptContext shortened(const PromptContext& context) const override { return context; }
};

}  // namespace

CompressionEntry none_compression() {
  return entry_of<CompressionEntry, NoSettings, WholeContext>(
      "none", "the context of a question as it is", "no change");
}

}  // namespace sublab
