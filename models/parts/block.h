// A pre-norm residual block: h = x + attention(norm(x)), y = h + swiglu(norm(h)).
#pragma once

#include <string>
#include <vector>

#include "models/parts/attention_layer.h"
#include "models/parts/norm.h"
#include "models/parts/swiglu_layer.h"

namespace sublab {

class Block {
 public:
  /// Names follow transformers' Llama: `name`.input_layernorm, self_attn, post_attention_layernorm,
  /// mlp.
  Block(const std::string& name, const BlockConfig& config, const Initial& initial)
      : attention_norm_(name + ".input_layernorm", config.d_model, config.norm_epsilon, initial),
        attention_(name + ".self_attn", config, initial),
        mlp_norm_(name + ".post_attention_layernorm", config.d_model, config.norm_epsilon, initial),
        mlp_(name + ".mlp", config, initial),
        d_model_(config.d_model) {}

  /// x [N, D] -> [N, D].
  at::Tensor operator()(const at::Tensor& x, const LayerContext& context) const {
    if (x.size(0) == 0) return x;
    const auto [h, normed] = mlp_norm_.of_sum(x, attention_(attention_norm_(x), context));
    return h + mlp_(normed);
  }
  const AttentionLayer& attention() const { return attention_; }

  void add_parameters(std::vector<Parameter>& out) const {
    attention_norm_.add_parameters(out);
    attention_.add_parameters(out);
    mlp_norm_.add_parameters(out);
    mlp_.add_parameters(out);
  }
  void add_cost(const PassShape& shape, const KvPolicy& policy, Ledger& ledger) const {
    const double kept =
        Norm::kept_numbers(static_cast<double>(d_model_), shape.bytes_per_number, shape.plain);
    attention_.add_cost(shape, policy, kept, ledger);
    mlp_.add_cost(shape, kept, ledger);
  }

 private:
  Norm attention_norm_;
  AttentionLayer attention_;
  Norm mlp_norm_;
  SwigluLayer mlp_;
  int64_t d_model_;
};

}  // namespace sublab
