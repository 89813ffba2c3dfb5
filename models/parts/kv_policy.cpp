// The policy that keeps everything.
#include "models/parts/kv_policy.h"

#include <algorithm>
#include <cmath>

#include "models/kernels/cache_attention.h"
#include "models/parts/key_bias.h"
#include "models/token_pairs.h"
#include "models/transfer.h"

namespace sublab {
namespace kv_policy {

class Full : public KvPolicy {
 public:
  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    const auto [q, k, v] = logit_heads(heads, context);
    return narrowed(
        context.at.parts->executor->whole_rows(q, k, v, *context.at.rows, *context.at.run),
        heads.v_NGK.size(2));
  }

  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    auto& cache = static_cast<FullKvCache&>(*context.cache);
    if (context.at.fixed) return fixed_step(heads, context, cache);
    const AscendingRows by(context.at.rows);  // as the cache takes tokens
    const AttentionHeads turned = ordered_heads(logit_heads(heads, context), by);
    cache.append(turned.k_NGK, turned.v_NGK, *by.rows);
    const at::Tensor out = attended(turned, cache, *by.rows, context);
    return narrowed(by.as_given(out), heads.v_NGK.size(2));
  }

  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<FullKvCache>(shape);
  }

  FullKvCache* fixed_cache(KvCache& cache) const override {
    return static_cast<FullKvCache*>(&cache);
  }

  AttentionCost cost(double t, double past) const override {
    const TokenPairs own = pairs_among(t);
    return {.causal_pairs = t * past + own.causal,
            .square_pairs = t * past + own.square,
            .tokens_read = std::min(t, 1.0) * (past + std::max(t, 1.0)),
            .tokens_held = past + t};
  }

 private:
  /// A prompt's rows have no past, so that a device may be given all of them at once.
  static bool begins_on_device(const at::Tensor& q, const Rows& rows) {
    bool begins = !q.is_cpu();
    for (int64_t b = 0; begins && b < rows.n_rows(); ++b) begins = rows.start(b) == 0;
    return begins;
  }
  /// Over the rows' caches, which hold their new tokens already.
  static at::Tensor attended(const AttentionHeads& turned, const FullKvCache& cache,
                             const Rows& rows, const LayerContext& context) {
    const auto& [q, k, v] = turned;
    const AttentionExecutor& executor = *context.at.parts->executor;
    if (begins_on_device(q, rows)) return executor.whole_rows(q, k, v, rows, *context.at.run);
    std::vector<VisibleTokens> visible(rows.n_rows());
    for (int64_t b = 0; b < rows.n_rows(); ++b)
      if (rows.length(b) > 0) visible[b] = cache.row(b);
    return executor.step(q, visible, rows, *context.at.run);
  }
  static at::Tensor fixed_step(const AttentionHeads& heads, const LayerContext& context,
                               FullKvCache& cache) {
    const auto [q, k, v] = logit_heads(heads, context);
    const FixedStep& step = *context.at.fixed;
    cache_append(k, v, step.row_M, cache.memory(), step.past_B);
    return cache_attention(q, step.row_M, cache.memory(), step.past_B,
                           1 / std::sqrt(static_cast<double>(q.size(2))));
  }
  /// Rotated, and one number wider where keys carry a bias.
  static AttentionHeads logit_heads(const AttentionHeads& heads, const LayerContext& context) {
    const RopeAngles& angles = context.at.angles;
    AttentionHeads out{angles.rotated(heads.q_NHK), angles.rotated(heads.k_NGK), heads.v_NGK};
    if (context.at.key_bias.defined())
      widen_by_bias(out.q_NHK, out.k_NGK, out.v_NGK, context.at.key_bias);
    if (context.probe) *context.probe = {out.q_NHK.detach(), out.k_NGK.detach()};
    return out;
  }
};

}  // namespace kv_policy

const std::shared_ptr<const KvPolicy>& full_kv_policy() {
  static const std::shared_ptr<const KvPolicy> policy = std::make_shared<kv_policy::Full>();
  return policy;
}

}  // namespace sublab
