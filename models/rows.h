// Rows of unequal length lie one after another; padding does not exist.
//
// Tensor letters, everywhere in models/ and baselines/: B rows, T tokens of a row, N packed tokens
// (the sum of T), D d_model, H query heads, G key/value heads, K head dim, F d_ff, V vocabulary,
// C chunk. Where ranks mix, the name carries them: q_NHK.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace sublab {

class Rows;
using RowsPtr = std::shared_ptr<const Rows>;

/// Numbers of a batch, such as one int64 per token, copied to each device once, when they are asked
/// for there; the host does not wait for it.
class TokenNumbers {
 public:
  TokenNumbers() = default;
  explicit TokenNumbers(at::Tensor values);
  bool defined() const;
  int64_t count() const;
  at::Tensor on(at::Device device) const;
  /// Gives the first copy to numbers that are made late; of two calls one wins.
  void set(at::Tensor values) const;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<at::Tensor> copies_;
};

/// The shape of a batch of rows: shared and immutable. Each token has an *ordinal*, its place in
/// its row at this level, and a *position*, what position encoding sees. They differ where
/// positions are sampled, where a level keeps only some tokens, and where a row is spread over
/// ranks. Who sees whom follows from ordinals, never from where a token lies: in most rows they
/// are consecutive; where a row's tokens are permuted, or some of them are elsewhere, each token
/// carries its own.
class Rows {
 public:
  /// Rows of `lengths` tokens; row b starts at ordinal `starts[b]` (default 0). Positions =
  /// ordinals.
  static RowsPtr contiguous(const std::vector<int64_t>& lengths,
                            const std::vector<int64_t>& starts = {});
  /// Rows with given positions [N] (int64), for example sampled ones.
  static RowsPtr with_positions(const std::vector<int64_t>& lengths,
                                const std::vector<int64_t>& starts, at::Tensor positions);
  /// Rows with given ordinals [N] (int64, CPU), distinct within a row, in any order, with gaps
  /// where tokens are elsewhere. Positions = ordinals where they are not given.
  static RowsPtr with_ordinals(const std::vector<int64_t>& lengths, at::Tensor ordinals,
                               at::Tensor positions = {});

  /// Tokens `index` [M] (int64, CPU) in that order, of which row b has `lengths[b]`, all its own:
  /// each takes its ordinal and position along. How zigzag and striped layouts are made.
  RowsPtr arranged(const at::Tensor& index, const std::vector<int64_t>& lengths) const;
  /// The same with every token in it.
  RowsPtr permuted(const at::Tensor& index) const { return arranged(index, lengths()); }

  /// The rows that remain when only tokens `index` [M] (ascending, int64, on any device) are kept:
  /// row b keeps `lengths[b]` of them and continues at ordinal `starts[b]`: their ordinals count
  /// the kept tokens, in the order of their ordinals here. Positions are carried over, so that
  /// every level sees the original ones. Nothing goes to the host unless ordinals are permuted.
  RowsPtr keep(const at::Tensor& index, const std::vector<int64_t>& lengths,
               const std::vector<int64_t>& starts) const;

  /// The same, but a position is the token's ordinal here, in the parent level.
  RowsPtr keep_places(const at::Tensor& index, const std::vector<int64_t>& lengths,
                      const std::vector<int64_t>& starts) const;

  int64_t n_rows() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t n_tokens() const { return offsets_.back(); }
  int64_t begin(int64_t row) const { return offsets_[row]; }
  int64_t length(int64_t row) const { return offsets_[row + 1] - offsets_[row]; }
  /// The row's lowest ordinal here; above 0 when earlier tokens sit in a decode state.
  int64_t start(int64_t row) const { return starts_[row]; }
  /// The common length of all rows, or -1 when they differ.
  int64_t equal_length() const { return equal_length_; }
  std::vector<int64_t> lengths() const;

  /// Whether token i of each row has ordinal start + i.
  bool consecutive() const { return !own_ordinals_.defined(); }
  /// Whether each row's ordinals ascend, so that a token sees those before it.
  bool ascending() const { return ascending_; }
  /// Ordinal of the i-th token of `row`.
  int64_t ordinal(int64_t row, int64_t i) const {
    return consecutive() ? starts_[row] + i
                         : own_ordinals_.const_data_ptr<int64_t>()[offsets_[row] + i];
  }
  /// Ordinal of each token, [N] int64.
  at::Tensor ordinals(at::Device device = at::kCPU) const;
  /// Position of each token, [N] int64.
  at::Tensor positions(at::Device device = at::kCPU) const;
  /// The row of each token, [N] int64.
  at::Tensor row_of_tokens(at::Device device) const;
  /// start() of each row, [B] int64.
  at::Tensor starts(at::Device device) const;
  /// Where each row that has tokens begins, and where the last one ends: int32, as kernels of
  /// attention over ragged rows take it.
  at::Tensor offsets(at::Device device) const;
  /// The tokens of each row by ascending ordinal: [N] int64, CPU.
  at::Tensor ascending_order() const;

 private:
  Rows(const std::vector<int64_t>& lengths, std::vector<int64_t> starts, at::Tensor positions,
       at::Tensor own_ordinals = {});
  /// Ordinals of kept tokens at the level that they enter; undefined where they are consecutive.
  at::Tensor kept_ordinals(const at::Tensor& index, const std::vector<int64_t>& lengths,
                           const std::vector<int64_t>& starts) const;

  std::vector<int64_t> offsets_;  // [B + 1], offsets_[0] = 0, never decreasing
  std::vector<int64_t> starts_;   // [B]
  int64_t equal_length_;
  bool ascending_ = true;
  at::Tensor own_ordinals_;  // [N] on the CPU; undefined where they are consecutive
  TokenNumbers ordinals_, positions_, row_of_tokens_, row_starts_, device_offsets_;
};

/// `index` [N] of a permutation -> the permutation back: x[index][inverse(index)] = x.
at::Tensor inverse_permutation(const at::Tensor& index);

}  // namespace sublab
