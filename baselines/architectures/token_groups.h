// Groups of a row's tokens, which pass through a coarser level as one: what hourglass and zipformer
// share.
//
// Causal groups of k tokens end at the ordinals 0, k, 2k, ...: group j holds the tokens (j-1)k+1 ..
// jk, so that the first one is token 0 alone. Token t takes what group floor(t/k) says, which has
// ended by then. This is a shift to the right by k-1 tokens before a row is cut into pieces of k,
// the least shift that does not look ahead; every group of a row is complete, however long it is.
#pragma once

#include <string>
#include <vector>

#include "models/parts/block_list.h"

namespace sublab {

/// What stands in front of a row, where its first group has k-1 places too many.
enum class RowFront {
  zeros,       ///< Hourglass
  first_token  ///< as Zipformer repeats the last one behind a row
};

/// What decoding keeps of the groups of one level: tokens of the open one, and what the last one
/// said.
struct OpenGroups {
  /// `k`: tokens of a group, 0 where they vary. `slices`: tokens [D] that a group says.
  OpenGroups(int64_t n_rows, int64_t k, int64_t width, int64_t slices,
             const at::TensorOptions& options);
  OpenGroups fork(const std::vector<int64_t>& rows) const;
  int64_t n_bytes() const;

  at::Tensor open;  ///< [B, k-1, D]: the last tokens; [B, D]: their sum where k varies
  at::Tensor last;  ///< [B, slices, D]
  std::vector<int64_t> n_groups, n_open;  ///< per row, where k varies
};

/// The tokens of one pass through a level, grouped. Indices are int64 on the model's device. Where
/// there is an OpenGroups, its rows stand in front: [open, x] is what `members` and `left` count
/// in, [last, y] what `of_token` and `last` do. Without one, zeros stand in the place of `open`.
struct TokenGroups {
  int64_t k = 0;              ///< tokens of a group, 0 where they vary
  RowsPtr rows;               ///< of the groups; their positions are those of their last tokens
  at::Tensor ends;            ///< [M], of x: the last token of each group
  at::Tensor of_token;        ///< [N]: the group that a token takes
  at::Tensor last;            ///< [B]: the last group of each row
  std::vector<int64_t> seen;  ///< per token: how many groups of its row have ended, past included
  std::vector<int64_t> tokens_seen;  ///< per group: tokens of its row up to its last one
  at::Tensor place;       ///< [N]: ordinal of a token since its group ended, where k is given
  at::Tensor members;     ///< [M k], where k is given
  bool distinct = false;  ///< members are
  at::Tensor left;        ///< [B (k-1)]: what is open behind this pass
  at::Tensor bucket;      ///< [B + N], where k varies: the group of each [open, x], of M + B
  at::Tensor size;        ///< [M, 1], where k varies: tokens of each group

  int64_t n() const { return rows->n_tokens(); }
};

/// Causal groups of `k`. `rows` ascend.
TokenGroups fixed_groups(const Rows& rows, int64_t k, RowFront front, bool with_memory,
                         at::Device device);
/// Causal groups that end with each token whose id is in `ids` (ascending), and with the first
/// token of a row. `tokens` [N] on the CPU. `memory` may be null; its counts go on.
TokenGroups boundary_groups(const Rows& rows, const at::Tensor& tokens,
                            const std::vector<int64_t>& ids, OpenGroups* memory, at::Device device);
/// Groups jk .. jk+k-1, of which token t takes floor(t/k): it looks up to k-1 tokens ahead. The
/// last group is filled up by repeating the last token. As Zipformer has them; whole rows alone.
TokenGroups leaking_groups(const Rows& rows, int64_t k, at::Device device);

/// The tokens of each group, [M, k, D]; `memory` goes on.
at::Tensor group_members(const at::Tensor& x, const TokenGroups& groups, OpenGroups* memory);
/// The mean of each group, [M, D]; `memory` goes on.
at::Tensor group_means(const at::Tensor& x, const TokenGroups& groups, OpenGroups* memory);
/// What each token's group says, [N, D], of y [M, D]; `memory` goes on.
at::Tensor repeated(const at::Tensor& y, const TokenGroups& groups, OpenGroups* memory);
/// The same where a group says something else to each of its k tokens: y [M, k D].
at::Tensor unfolded(const at::Tensor& y, const TokenGroups& groups, OpenGroups* memory);

/// Tokens that reach a level, as the ledger counts them. Where a pass has at most one token per
/// row, a level is reached by the share of tokens that is expected, whatever this one does.
struct LevelTokens {
  explicit LevelTokens(const CostShape& shape);
  /// One level further in, by groups of `k`.
  LevelTokens grouped(int64_t k) const;
  double n() const;
  PassShape shape(int64_t level, const CostShape& of) const;
  /// All blocks of a list at this level.
  void add_cost(const BlockList& blocks, int64_t level, const CostShape& of, Ledger& ledger) const;

  std::vector<double> tokens, past;
  bool single;         ///< at most one token per row came in
  double reached = 1;  ///< probability that any token does
};

}  // namespace sublab
