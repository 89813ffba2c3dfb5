// The plain members of the kinds `sampling` and `positions`.
#include "data/sampling.h"

#include "core/random.h"

namespace sublab {
namespace {

/// Every document once per epoch, whole, in an order drawn from the stream "order" of the seed.
class PlainSampling : public DocumentSampler {
 public:
  explicit PlainSampling(const SamplingContext& context) : seed_(context.seed) {}
  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    std::vector<int64_t> order = documents;
    RandomSequence random(stream_key(seed_, "order", static_cast<uint64_t>(epoch)));
    random.shuffle(order);
    std::vector<DocumentSpan> out;
    for (const int64_t document : order) out.push_back({document, 0, shard.n_tokens(document)});
    return out;
  }

 private:
  uint64_t seed_;
};

/// Rows as they were packed: positions 0, 1, 2, ...
class ContiguousPositions : public PositionSampler {
 public:
  std::vector<RowPiece> row(int64_t, std::vector<RowPiece> packed,
                            const TokenShard&) const override {
    return packed;
  }
};

}  // namespace

SamplingEntry plain_sampling() {
  return entry_of<SamplingEntry, NoSettings, PlainSampling>(
      "plain", "every document once per epoch, whole, in random order", "no change");
}

PositionsEntry contiguous_positions() {
  return entry_of<PositionsEntry, NoSettings, ContiguousPositions>(
      "contiguous", "0, 1, 2, ... in every row", "no change");
}

}  // namespace sublab
