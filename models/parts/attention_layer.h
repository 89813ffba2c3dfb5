// Grouped-query attention (arXiv:2305.13245): x -> queries, keys and values -> attention -> D.
#pragma once

#include <string>
#include <vector>

#include "models/parts/block_config.h"
#include "models/parts/kv_policy.h"
#include "models/parts/linear.h"
#include "models/parts/pass_shape.h"

namespace sublab {

/// Maps only. Rotation, cache and execution are those of the context (AttentionParts).
class AttentionLayer {
 public:
  /// Tensors `name`.q_proj.weight, k_proj, v_proj and o_proj.
  AttentionLayer(const std::string& name, const BlockConfig& config, const Initial& initial);

  /// x [N, D] -> [N, D]: heads, the policy's attention over them, out.
  at::Tensor operator()(const at::Tensor& x, const LayerContext& context) const;
  /// x [N, D] -> unrotated q [N, H, K], k and v [N, G, K].
  AttentionHeads heads(const at::Tensor& x) const;
  /// attended [N, H, K] -> [N, D].
  at::Tensor out(const at::Tensor& attended_NHK) const;

  std::unique_ptr<KvCache> new_cache(const AttentionParts& parts, int64_t n_rows,
                                     int64_t expected_tokens, bool biased = false) const;
  at::TensorOptions options() const { return k_.weight().options(); }
  void add_parameters(std::vector<Parameter>& out) const;
  /// Lines attention.qkv, attention.scores and attention.out. The norm before it keeps
  /// `norm_numbers` per token (Norm::kept_numbers), which the first map reads.
  void add_cost(const PassShape& shape, const KvPolicy& policy, double norm_numbers,
                Ledger& ledger) const;

 private:
  int64_t n_heads_, n_kv_heads_, head_dim_;
  Linear q_, k_, v_, o_;
};

}  // namespace sublab
