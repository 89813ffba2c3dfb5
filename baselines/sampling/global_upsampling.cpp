// Global length upsampling (Fu et al. 2024, arXiv:2402.10171, section 3, "global upsampling"):
// every long document, a share of the short ones, whichever source they are from. Sources with long
// documents gain: what length_upsampling holds fixed moves.
//
// Deviations: as length_upsampling, of which this has the coin and not the budgets.
#include "data/document_sources.h"

namespace sublab {
namespace global_upsampling {

class Sampler : public DocumentSampler {
 public:
  Sampler(const LengthCoin& coin, const SamplingContext& context)
      : coin_(coin), seed_(context.seed), where_(context.where) {}

  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    if (epoch == 0) coin_.check(shard, documents, "data.corpus", where_);
    const auto order = in_random_order(documents, seed_, epoch);
    return whole_documents(shard, coin_.taken(shard, order, seed_, epoch));
  }
  int64_t long_document_tokens() const override { return coin_.long_document_tokens; }

 private:
  LengthCoin coin_;
  uint64_t seed_;
  std::string where_;
};

}  // namespace global_upsampling

SamplingEntry global_upsampling_sampling() {
  auto entry = entry_of<SamplingEntry, LengthCoin, global_upsampling::Sampler>(
      "global_upsampling", "every long document, some of the short ones, whatever their source",
      "arXiv:2402.10171");
  entry.examples = {{"", {{"long_document_tokens", 200}}}};
  return entry;
}

}  // namespace sublab
