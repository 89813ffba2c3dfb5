// What attention keeps of the past. A policy owns cache, step *and* whole rows, so that one that
// evicts tokens does so token by token in evaluation too, and `evaluate` = `step` holds for it.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "models/ascending_rows.h"
#include "models/parts/attention.h"
#include "models/parts/kv_cache.h"
#include "models/parts/rope.h"
#include "models/run.h"

namespace sublab {

class KvPolicy;

/// The parts of attention that may be swapped, each alone. Shared by the layers of a model.
struct AttentionParts {
  std::shared_ptr<const Rope> rope;
  std::shared_ptr<const AttentionExecutor> executor;
  std::shared_ptr<const KvPolicy> policy;
};

/// Queries and keys of a block, for scorers that look at its attention: rotated, a key bias
/// included, so that logits are q . k / sqrt(their width). Detached.
struct BlockProbe {
  at::Tensor q_NHK, k_NGK;
};

/// A step of one new token in each of some rows, as it stands on the device
/// (models/parts/fixed_steps.h).
struct FixedStep {
  at::Tensor row_M;   ///< of each token, int64
  at::Tensor past_B;  ///< tokens that each row has seen at this level before the step, int64
};

/// The tokens of one level on their way through blocks: made once, good for all blocks of the
/// level.
struct LevelContext {
  RowsPtr rows;
  RopeAngles angles;  ///< of `rows`
  const AttentionParts* parts = nullptr;
  const Run* run = nullptr;
  int64_t declared_length = 0;  ///< of the pass (models/language_model.h)
  int64_t level = 0;
  at::Tensor key_bias = {};  ///< [N], added to every logit of a token's key; undefined = none
  const FixedStep* fixed =
      nullptr;  ///< set where the host knows nothing of the rows but their number
};

/// What a block works with beside its input.
struct LayerContext {
  const LevelContext& at;
  int64_t layer = 0;
  KvCache* cache = nullptr;     ///< set when the rows are new tokens against it
  BlockProbe* probe = nullptr;  ///< filled when set
};

/// What an attention layer makes of its input. Nothing is rotated yet.
struct AttentionHeads {
  at::Tensor q_NHK, k_NGK, v_NGK;
};

/// The heads of the same tokens in the order of `rows`.
inline AttentionHeads ordered_heads(const AttentionHeads& heads, const AscendingRows& rows) {
  return {rows.ordered(heads.q_NHK), rows.ordered(heads.k_NGK), rows.ordered(heads.v_NGK)};
}

/// What attention over one row costs.
struct AttentionCost {
  double causal_pairs = 0;  ///< of query and key, that a causal kernel computes
  double square_pairs = 0;  ///< all pairs of new queries and keys
  double tokens_read = 0;   ///< of the cache, new ones included
  double tokens_held = 0;   ///< in the cache afterwards
  /// What the cache keeps beside its keys and values: numbers of each key/value head (fp32 at
  /// least), and int64 numbers that all heads share.
  double scores_held = 0, positions_held = 0;
};

/// Policies that evict (baselines/kv_policies) implement this. Positions of the tokens are those of
/// context.at.rows; a policy that renumbers them asks context.at.parts->rope for other angles. What
/// it evicts it counts in Run::activity.
class KvPolicy {
 public:
  virtual ~KvPolicy() = default;
  /// Whole rows, as if they had come token by token -> [N, H, K].
  virtual at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const = 0;
  /// New tokens against context.cache, which new_cache() made and which takes them up.
  virtual at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const = 0;
  virtual std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const = 0;
  /// The cache that a step of one new token per row may go to by LevelContext::fixed, its tokens
  /// already taken up; null where a policy has to know more of the rows.
  virtual FullKvCache* fixed_cache(KvCache& cache) const {
    (void)cache;
    return nullptr;
  }
  /// Of `new_tokens` in a row that has seen `past`.
  virtual AttentionCost cost(double new_tokens, double past) const = 0;
};

/// Keeps everything; keys are cached rotated, so that each is rotated once.
const std::shared_ptr<const KvPolicy>& full_kv_policy();

/// `rope` on this rank with everything kept.
inline AttentionParts full_attention(std::shared_ptr<const Rope> rope) {
  return {std::move(rope), local_attention(), full_kv_policy()};
}

}  // namespace sublab
