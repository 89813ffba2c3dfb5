// Packed rows cut into segments: what training works on, a segment of all rows at a time.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "models/rows.h"

namespace sublab::infini_transformer {

/// Rows whose segment of one number has the same length, and which all have a further one or none.
struct SegmentGroup {
  int64_t n_tokens = 0;
  bool continues = false;
  std::vector<int64_t> rows;
  std::vector<int64_t> places;  ///< of these rows among those that continued a segment before
};

/// Rows of ascending tokens, cut at multiples of the segment length.
class Segments {
 public:
  Segments(const Rows& rows, int64_t segment_len);

  /// [segment number][group].
  const std::vector<std::vector<SegmentGroup>>& groups() const { return groups_; }
  /// Every segment as a row of its own, for attention inside them.
  RowsPtr as_rows() const { return Rows::contiguous(lengths_); }
  /// Segments that have a further one behind them, and all of them.
  double n_folded() const { return static_cast<double>(lengths_.size()) - n_rows_; }
  double n_segments() const { return static_cast<double>(lengths_.size()); }

  /// x [N, X, K] -> [segment number][group], each [R, n, X, K]. One node of autograd where rows are
  /// equally long, so that no segment's gradient is as large as x.
  std::vector<std::vector<at::Tensor>> split(const at::Tensor& x) const;
  /// The way back.
  at::Tensor joined(const std::vector<std::vector<at::Tensor>>& parts) const;

 private:
  int64_t equal_rows_ = 0;  ///< rows, where they are equally long
  double n_rows_ = 0;       ///< that have tokens
  int64_t segment_len_;
  std::vector<int64_t> lengths_;  ///< of all segments, as they lie
  std::vector<int64_t> first_;    ///< segment of each row among them
  std::vector<std::vector<SegmentGroup>> groups_;
};

}  // namespace sublab::infini_transformer
