// The plain member of the kind `sampling`.
#include "data/document_sources.h"

namespace sublab {
namespace {

/// Every document once per epoch, whole, in an order drawn from the stream "order" of the seed.
class PlainSampling : public DocumentSampler {
 public:
  explicit PlainSampling(const SamplingContext& context) : seed_(context.seed) {}
  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    return whole_documents(shard, in_random_order(documents, seed_, epoch));
  }

 private:
  uint64_t seed_;
};

}  // namespace

SamplingEntry plain_sampling() {
  return entry_of<SamplingEntry, NoSettings, PlainSampling>(
      "plain", "every document once per epoch, whole, in random order", "no change");
}

}  // namespace sublab
