// Rows put in the order of their tokens' ordinals, for what reads a row from its beginning to its
// end, and back.
#pragma once

#include <string>

#include "models/rows.h"

namespace sublab {

struct AscendingRows {
  explicit AscendingRows(const RowsPtr& given);
  /// The same of rows that miss no token from their start on: theirs are `rows` without gaps.
  /// Throws Unsupported, which says that `who` (plural) need whole rows, where a token is
  /// elsewhere.
  static AscendingRows whole(const RowsPtr& given, const std::string& who);

  /// `x` [N, ...] of the given rows in the order of `rows`. An undefined tensor stays so.
  at::Tensor ordered(const at::Tensor& x) const;
  /// `x` [N, ...] of `rows` in the order that was given.
  at::Tensor as_given(const at::Tensor& x) const;

  RowsPtr rows;  ///< ascending
  /// [N] int64 on the CPU: which given token stands where; undefined where they stood so.
  at::Tensor order;
};

}  // namespace sublab
