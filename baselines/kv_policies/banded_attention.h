// Attention of a band: token t of a row sees the tokens t - W .. t. In blocks of W queries a band
// is two triangles: a block's own keys, of which query i sees those up to i, and the W keys before
// it, of which query i sees those from i on. The second is the first one read backwards, so that
// both are causal blocks without a mask, and all blocks of all rows are heads of one call:
//
//   own keys      1 0 0      keys before      1 1 1
//                 1 1 0                       0 1 1
//                 1 1 1                       0 0 1
//
// It computes at most 2 W pairs per query, whatever the length of the row.
#pragma once

#include <vector>

#include "models/parts/partial_attention.h"

namespace sublab::banded {

/// Queries of one row: its tokens past .. past + n - 1, which lie from `q_begin` on. Keys of its
/// tokens `first_key` .. past + n - 1 lie from `k_begin` on; first_key <= max(past - W, 0).
struct Row {
  int64_t q_begin, past, n, k_begin, first_key;
};

/// q [N, H, K], k and v [M, G, K] of all rows -> parts of every query.
std::vector<AttentionPartial> attention(const at::Tensor& q_NHK, const at::Tensor& k_MGK,
                                        const at::Tensor& v_MGK, const std::vector<Row>& rows,
                                        int64_t window);

/// Pairs of query and key that it computes for `n` tokens behind `past`.
double computed_pairs(double n, double past, double window);

/// Pieces of equal length n that begin at `starts` in x [N, H, K] -> [n, starts * H, K], each piece
/// a group of heads of its own.
at::Tensor pieces_as_heads(const at::Tensor& x_NHK, const std::vector<int64_t>& starts, int64_t n);

/// Partial results of some queries, put in the place of each: what attended to nothing has none.
class PlacedPartials {
 public:
  /// `part` of pieces_as_heads(q, starts, n).
  void add(const std::vector<int64_t>& starts, int64_t n, const AttentionPartial& part);
  bool empty() const { return outs_.empty(); }
  /// Of all `n_queries`.
  AttentionPartial all(int64_t n_queries) const;

 private:
  std::vector<int64_t> places_;
  std::vector<at::Tensor> outs_, sums_;
};

}  // namespace sublab::banded
