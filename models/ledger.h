// What a forward pass costs by the book: FLOPs and bytes, per part, layer and level.
//
// A multiply-add counts as two FLOPs. Attention is counted twice: *causal* (only the pairs that a
// causal kernel computes) and *square* (all pairs of new queries and keys). Training costs three
// forward passes. Bytes are what a decode step must read and write: weights once, the cache per
// row. Activation bytes are what training keeps of the forward pass for the backward pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

struct LedgerLine {
  std::string part;    ///< "attention", "swiglu", "scorer", "head", ...
  int64_t layer = -1;  ///< -1 for parts outside the layers
  int64_t level = 0;   ///< 0 = every token passes; l = only those kept by l modules
  double tokens = 0;   ///< tokens that pass through this part
  double flops_causal = 0;
  double flops_square = 0;
  double bytes = 0;             ///< weights read + cache read and written
  double activation_bytes = 0;  ///< kept for the backward pass when the pass trains
  double input_bytes = 0;       ///< of a block: kept instead where it is recomputed
  double cache_bytes = 0;       ///< of the rows' past, held once the pass is done
};

class Ledger {
 public:
  void add(LedgerLine line) { lines_.push_back(std::move(line)); }
  const std::vector<LedgerLine>& lines() const { return lines_; }
  double flops_causal() const;
  double flops_square() const;
  double bytes() const;
  /// Of a training pass: three forward passes, and with `recompute` the blocks once more.
  double training_flops_causal(bool recompute) const;
  double training_flops_square(bool recompute) const;
  /// Kept for the backward pass. With `recompute` blocks keep their input alone, and one block at
  /// a time all of its own.
  double activation_bytes(bool recompute) const;
  /// What decoding holds of the rows' past once the pass is done.
  double cache_bytes() const;
  json to_json() const;

 private:
  std::vector<LedgerLine> lines_;
};

/// The shapes that a pass is costed for.
struct CostShape {
  std::vector<int64_t> new_tokens;   ///< per row
  std::vector<int64_t> past_tokens;  ///< per row, already in the decode state; empty = none
  /// Kept share per subsampling module, relative to its parent level; empty = the configured
  /// retention.
  std::vector<double> kept_fraction;
  /// The same of past_tokens, where what was kept of them differs; empty = kept_fraction.
  std::vector<double> past_kept_fraction;
  /// Share of passes in which at least one token enters the module's level, so that its weights are
  /// read; empty = 1 - (1 - p)^N for N tokens that enter independently with probability p.
  std::vector<double> reached_fraction;
  double bytes_per_number = 4;
  /// Operators take their plain forms, which keep more for the backward pass: bfloat16 on a CPU.
  bool plain = false;

  static CostShape whole_rows(int64_t n_rows, int64_t row_tokens);
  /// One new token in each of `n_rows` rows, `past` tokens deep.
  static CostShape decode(int64_t n_rows, int64_t past);
};

/// Lines of a linear map in -> out over `tokens` tokens.
LedgerLine linear_cost(std::string part, int64_t layer, int64_t level, double tokens, double in,
                       double out, double bytes_per_number);

}  // namespace sublab
