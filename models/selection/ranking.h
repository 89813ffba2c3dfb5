// What selectors that rank a whole row share.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/rows.h"

namespace sublab {

/// How K = T d becomes a whole number.
enum class Rounding { ceil, floor, round };

/// K = length * retention as a whole number in [0, length]; safe against the rounding of products.
int64_t kept_tokens(int64_t length, double retention, Rounding rounding = Rounding::ceil);

/// Settings of selectors that keep K tokens of a row.
struct RankingConfig {
  std::string rounding = "ceil";

  template <class F>
  void fields(F& f) {
    f("rounding", rounding, "how many a row of T keeps: T * retention, made whole",
      one_of({"ceil", "floor", "round"}));
  }
  int64_t kept(int64_t length, double retention) const;
};

/// The rows of a level, each ranked by its scores, on the device of the scores: for every row with
/// tokens its begin and the tokens' places in it from the highest score to the lowest, ties in
/// order of place. Rows of one length are ranked together: order is [rows, length].
struct RankedRows {
  std::vector<int64_t> begins;  ///< of the rows in `order`
  at::Tensor order;             ///< [rows, length] int64
};
std::vector<RankedRows> ranked_rows(const at::Tensor& scores, const Rows& rows);

/// `places` [rows, k] in their rows as indices of packed tokens, [rows, k].
at::Tensor packed_index(const at::Tensor& places, const std::vector<int64_t>& begins);

}  // namespace sublab
