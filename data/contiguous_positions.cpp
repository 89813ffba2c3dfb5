// The plain member of the kind `positions`.
#include "data/sampling.h"

namespace sublab {
namespace {

/// Rows as they were packed: positions 0, 1, 2, ...
class ContiguousPositions : public PositionSampler {
 public:
  std::vector<RowPiece> row(int64_t, std::vector<RowPiece> packed,
                            const TokenShard&) const override {
    return packed;
  }
};

}  // namespace

PositionsEntry contiguous_positions() {
  return entry_of<PositionsEntry, NoSettings, ContiguousPositions>(
      "contiguous", "0, 1, 2, ... in every row", "no change");
}

}  // namespace sublab
