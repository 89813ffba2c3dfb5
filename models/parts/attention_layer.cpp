// The maps of an attention layer and what they cost.
#include "models/parts/attention_layer.h"

#include <algorithm>

namespace sublab {

AttentionLayer::AttentionLayer(const std::string& name, const BlockConfig& config,
                               const Initial& initial)
    : n_heads_(config.n_heads),
      n_kv_heads_(config.n_kv_heads),
      head_dim_(config.head_dim),
      q_(name + ".q_proj", config.d_model, config.q_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      k_(name + ".k_proj", config.d_model, config.kv_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      v_(name + ".v_proj", config.d_model, config.kv_width(), initial,
         {.bias = config.attention_bias, .std_dev = config.init_std}),
      o_(name + ".o_proj", config.q_width(), config.d_model, initial,
         {.bias = config.attention_bias,
          .std_dev = config.init_std,
          .scale = config.residual_scale()}) {}

AttentionHeads AttentionLayer::heads(const at::Tensor& x) const {
  const int64_t n = x.size(0);
  const std::vector<at::Tensor> made = maps_of(x, {&q_, &k_, &v_});
  return {made[0].view({n, n_heads_, head_dim_}), made[1].view({n, n_kv_heads_, head_dim_}),
          made[2].view({n, n_kv_heads_, head_dim_})};
}

at::Tensor AttentionLayer::out(const at::Tensor& attended_NHK) const {
  return o_(attended_NHK.reshape({attended_NHK.size(0), n_heads_ * head_dim_}));
}

at::Tensor AttentionLayer::operator()(const at::Tensor& x, const LayerContext& context) const {
  const KvPolicy& policy = *context.at.parts->policy;
  const AttentionHeads made = heads(x);
  return out(context.cache ? policy.step(made, context) : policy.whole_rows(made, context));
}

std::unique_ptr<KvCache> AttentionLayer::new_cache(const AttentionParts& parts, int64_t n_rows,
                                                   int64_t expected_tokens, bool biased) const {
  return parts.policy->new_cache({.n_rows = n_rows,
                                  .expected_tokens = expected_tokens,
                                  .n_kv_heads = n_kv_heads_,
                                  .head_dim = head_dim_,
                                  .biased = biased,
                                  .options = options()});
}

void AttentionLayer::add_parameters(std::vector<Parameter>& out) const {
  for (const Linear* map : {&q_, &k_, &v_, &o_}) map->add_parameters(out);
}

void AttentionLayer::add_cost(const PassShape& shape, const KvPolicy& policy, double norm_numbers,
                              Ledger& ledger) const {
  const double n = shape.n_tokens(), bytes = shape.bytes_per_number;
  const auto d = static_cast<double>(q_.inputs());
  const auto q_width = static_cast<double>(q_.outputs());
  const auto kv_width = static_cast<double>(k_.outputs());
  const double widened = static_cast<double>(head_dim_ + shape.biased) / head_dim_;
  LedgerLine qkv =
      linear_cost("attention.qkv", shape.layer, shape.level, n, d, q_width + 2 * kv_width, bytes);
  qkv.bytes *= shape.reached;
  qkv.activation_bytes = n * norm_numbers * bytes;
  qkv.input_bytes = n * d * bytes;
  ledger.add(qkv);
  AttentionCost sum;
  for (size_t b = 0; b < shape.new_tokens.size(); ++b) {
    const AttentionCost row =
        policy.cost(shape.new_tokens[b], shape.past_tokens.empty() ? 0 : shape.past_tokens[b]);
    sum.causal_pairs += row.causal_pairs;
    sum.square_pairs += row.square_pairs;
    sum.tokens_read += row.tokens_read;
    sum.tokens_held += row.tokens_held;
    sum.scores_held += row.scores_held;
    sum.positions_held += row.positions_held;
  }
  // Kept for the backward pass: the rotated q and k, v, the output and the log-sums of the softmax;
  // plain forms keep q and k before their rotation too.
  const double pair_bytes = 2 * kv_width * widened * bytes;  // of one token's k and v
  const double beside = sum.scores_held * static_cast<double>(n_kv_heads_) * std::max(bytes, 4.0) +
                        sum.positions_held * sizeof(int64_t);
  const auto n_heads = static_cast<double>(n_heads_);
  ledger.add({.part = "attention.scores",
              .layer = shape.layer,
              .level = shape.level,
              .tokens = n,
              .flops_causal = 4 * q_width * widened * sum.causal_pairs,
              .flops_square = 4 * q_width * widened * sum.square_pairs,
              .bytes = pair_bytes * sum.tokens_read,
              .activation_bytes =
                  n * ((shape.plain ? 3 : 2) * (q_width + kv_width) * widened + n_heads) * bytes,
              .cache_bytes = pair_bytes * sum.tokens_held + beside});
  LedgerLine out = linear_cost("attention.out", shape.layer, shape.level, n, q_width, d, bytes);
  out.bytes *= shape.reached;
  ledger.add(out);
}

}  // namespace sublab
