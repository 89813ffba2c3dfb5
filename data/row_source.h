// Where training rows come from: text that was packed, or a synthetic task. Random access by row
// index, so that any step of a run can be made again, by any process, in any order.
#pragma once

#include <cstdint>
#include <vector>

namespace sublab {

/// One row of input, or several short ones that fill the place of one. `labels[i]` is what token i
/// should predict, or kIgnoredLabel.
struct TokenRow {
  static constexpr int64_t kIgnoredLabel = -1;
  std::vector<int64_t> tokens;
  std::vector<int64_t> labels;
  std::vector<int64_t>
      positions;                 ///< what position encoding sees; contiguous unless sampled (PoSE)
  std::vector<int64_t> lengths;  ///< of the rows that stand here one after another; sum = tokens
  std::vector<double> hints;     ///< per token, above 0 where it matters; empty when nobody knows
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  /// Row `index` of the run. The same index gives the same row, always.
  virtual TokenRow row(int64_t index) const = 0;
  /// Upper bound on the length of a row.
  virtual int64_t context_len() const = 0;
  virtual int64_t vocab_size() const = 0;
};

}  // namespace sublab
