// Rows of unequal length lie one after another; padding does not exist.
//
// Tensor letters, everywhere in models/ and baselines/: B rows, T tokens of a row, N packed tokens
// (the sum of T), D d_model, H query heads, G key/value heads, K head dim, F d_ff, V vocabulary,
// C chunk. Where ranks mix, the name carries them: q_NHK.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace sublab {

class Rows;
using RowsPtr = std::shared_ptr<const Rows>;

/// The shape of a batch of rows: shared and immutable. Each token has an *ordinal*, its place in
/// its row at this level, and a *position*, what position encoding sees. They differ where
/// positions are sampled, where a level keeps only some tokens, and where a row is spread over
/// ranks.
class Rows {
 public:
  /// Rows of `lengths` tokens; row b starts at ordinal `starts[b]` (default 0). Positions =
  /// ordinals.
  static RowsPtr contiguous(const std::vector<int64_t>& lengths,
                            const std::vector<int64_t>& starts = {});
  /// Rows with given positions [N] (int64, CPU), for example sampled ones.
  static RowsPtr with_positions(const std::vector<int64_t>& lengths,
                                const std::vector<int64_t>& starts, at::Tensor positions);

  /// The rows that remain when only tokens `index` [M] (ascending, int64) are kept: row b keeps
  /// `lengths[b]` of them and continues at ordinal `starts[b]`. Positions are carried over, so that
  /// every level sees the original ones.
  RowsPtr keep(const at::Tensor& index, const std::vector<int64_t>& lengths,
               const std::vector<int64_t>& starts) const;

  /// The same, but a position is the token's ordinal here, in the parent level.
  RowsPtr keep_places(const at::Tensor& index, const std::vector<int64_t>& lengths,
                      const std::vector<int64_t>& starts) const;

  int64_t n_rows() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t n_tokens() const { return offsets_.back(); }
  int64_t begin(int64_t row) const { return offsets_[row]; }
  int64_t length(int64_t row) const { return offsets_[row + 1] - offsets_[row]; }
  /// Ordinal of the row's first token here; above 0 when earlier tokens sit in a decode state.
  int64_t start(int64_t row) const { return starts_[row]; }
  /// The common length of all rows, or -1 when they differ.
  int64_t equal_length() const { return equal_length_; }
  std::vector<int64_t> lengths() const;
  /// Position of each token, [N] int64 on the CPU.
  const at::Tensor& positions() const { return positions_; }

 private:
  Rows(const std::vector<int64_t>& lengths, std::vector<int64_t> starts, at::Tensor positions);

  std::vector<int64_t> offsets_;  // [B + 1], offsets_[0] = 0, never decreasing
  std::vector<int64_t> starts_;   // [B]
  int64_t equal_length_;
  at::Tensor positions_;
};

}  // namespace sublab
