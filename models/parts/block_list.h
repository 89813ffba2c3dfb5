// Blocks of one width, without ends: what the middle of an architecture is made of. Which tokens
// pass through which block is the architecture's business; a ladder has a list per width.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/parts/block.h"
#include "models/parts/fixed_steps.h"

namespace sublab {

/// What decoding keeps for the blocks of a list.
struct BlockCaches {
  std::vector<std::unique_ptr<KvCache>> of_block;
  FixedSteps fixed = {};  ///< steps of one token per row, ready to be done again on a device

  int64_t n_bytes() const;
  /// For forked rows.
  BlockCaches fork(const std::vector<int64_t>& rows) const;
  /// All rows are empty again; room that was made, and steps that are ready, stay. False where a
  /// cache cannot.
  bool clear();
};

class BlockList {
 public:
  /// Block i is called `name`.i in a checkpoint. Layers are numbered from `first_layer` on in the
  /// ledger and in Activity.
  BlockList(const std::string& name, const BlockConfig& config, int64_t n_blocks,
            AttentionParts parts, const Initial& initial, int64_t first_layer = 0);

  int64_t size() const { return static_cast<int64_t>(blocks_.size()); }
  /// The context of a level's tokens for these blocks. `run` outlives it; so does this list.
  LevelContext level(const RowsPtr& rows, const Run& run, DecodeState* state,
                     int64_t level = 0) const;
  /// Angles for rows of `level`, whose positions are others.
  RopeAngles angles(const Rows& rows, int64_t declared_length) const;
  /// Block i over x [N, D]. With Run::recompute it keeps its input alone for the backward pass,
  /// unless a cache or a probe is to be filled.
  at::Tensor pass(int64_t i, const at::Tensor& x, const LevelContext& level,
                  KvCache* cache = nullptr, BlockProbe* probe = nullptr) const;
  /// Blocks [begin, end) in turn. With `decoding` they are those of a step: its caches, one per
  /// block of this list, take the tokens up.
  at::Tensor pass_range(int64_t begin, int64_t end, at::Tensor x, const LevelContext& level,
                        BlockCaches* decoding) const;
  at::Tensor pass_all(at::Tensor x, const LevelContext& level,
                      BlockCaches* decoding = nullptr) const {
    return pass_range(0, size(), std::move(x), level, decoding);
  }

  std::unique_ptr<KvCache> new_cache(int64_t i, int64_t n_rows, int64_t expected_tokens,
                                     bool biased = false) const;
  BlockCaches new_caches(int64_t n_rows, int64_t expected_tokens) const;
  void add_parameters(std::vector<Parameter>& out) const;
  /// Cost of block i; shape.layer is set here.
  void add_cost(int64_t i, PassShape shape, Ledger& ledger) const;

 private:
  std::vector<Block> blocks_;
  AttentionParts parts_;
  int64_t first_layer_;
};

}  // namespace sublab
