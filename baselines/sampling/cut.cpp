// Documents cut to a length (Fu et al. 2024, arXiv:2402.10171, section 3, "cut at 4K"): each part
// is a document of its own, in random order, so that nothing longer is read. The control of
// length_upsampling: the same text and mixture, no long document.
#include <algorithm>

#include "data/document_sources.h"

namespace sublab {
namespace cut_documents {

struct Config {
  int64_t document_tokens = 4096;

  template <class F>
  void fields(F& f) {
    f("document_tokens", document_tokens, "documents are cut into parts of this many tokens",
      within(1, 1e12));
  }
};

class Sampler : public DocumentSampler {
 public:
  Sampler(const Config& config, const SamplingContext& context)
      : document_tokens_(config.document_tokens), seed_(context.seed) {}

  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    std::vector<DocumentSpan> parts;
    for (const int64_t document : documents) {
      const int64_t n = shard.n_tokens(document);
      int64_t begin = 0;
      do {  // a document without tokens is one part, as in `plain`
        parts.push_back({document, begin, std::min(begin + document_tokens_, n)});
        begin += document_tokens_;
      } while (begin < n);
    }
    return in_random_order(parts, seed_, epoch);
  }

 private:
  int64_t document_tokens_;
  uint64_t seed_;
};

}  // namespace cut_documents

SamplingEntry cut_sampling() {
  auto entry = entry_of<SamplingEntry, cut_documents::Config, cut_documents::Sampler>(
      "cut", "documents in parts of a length, each a document of its own", "arXiv:2402.10171");
  entry.examples = {{"", {{"document_tokens", 20}}}};
  return entry;
}

}  // namespace sublab
