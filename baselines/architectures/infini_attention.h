// Infini-attention as a cache policy: softmax attention inside segments, a memory of those before
// them, and a gate per query head between the two.
#pragma once

#include <vector>

#include "baselines/architectures/infini_memory.h"
#include "models/parts/kv_policy.h"

namespace sublab::infini_transformer {

struct AttentionSettings {
  int64_t segment_len = 64;
  MemoryRule rule;
  bool scales_first = true;  ///< the local output of a row's first segment, too, by 1 - gate
  bool checkpoints = false;  ///< training keeps of a segment its inputs alone
};

/// What passes the borders of segments while a row that has seen `past` tokens takes `t` more. A
/// full segment is folded in when a token follows it.
struct SegmentCounts {
  double folded = 0;              ///< segments
  double folded_with_memory = 0;  ///< of these behind another one
  double tokens_reading = 0;      ///< that read a memory
  double memories_read = 0;       ///< by the segments' parts among the new tokens
  double tokens_open = 0;         ///< in the open segment afterwards
};
SegmentCounts segment_counts(double t, double past, double segment_len);

/// sigmoid(beta) weighs the memory, 1 - sigmoid(beta) the attention. Segments are counted from a
/// row's first token on. Rows are whole and on one rank: their ordinals have no gaps.
class InfiniAttention : public KvPolicy {
 public:
  /// beta of each layer, [H].
  InfiniAttention(const AttentionSettings& settings, std::vector<at::Tensor> gates)
      : settings_(settings), gates_(std::move(gates)) {}

  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override;
  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override;
  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<SegmentCache>(shape, settings_.segment_len);
  }
  /// Of the attention inside segments.
  AttentionCost cost(double new_tokens, double past) const override;

 private:
  at::Tensor ascending_rows(const AttentionHeads& heads, const LayerContext& context) const;
  at::Tensor ascending_step(const AttentionHeads& heads, const LayerContext& context) const;
  /// Local attention and memory joined, [R, n, H, K].
  at::Tensor mixed(const at::Tensor& local, const at::Tensor& q, const Memory& memory,
                   const at::Tensor& gate) const;
  /// New tokens that lie in the open segments of the cache, which has taken them up: unrotated
  /// queries, and what is attended to. `all_begin`: nothing stands in these segments before them.
  at::Tensor open_segments(const at::Tensor& q_NHK, const AttentionHeads& turned, const Rows& rows,
                           bool all_begin, const LayerContext& context) const;

  AttentionSettings settings_;
  std::vector<at::Tensor> gates_;
};

}  // namespace sublab::infini_transformer
