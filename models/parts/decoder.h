// The pre-norm decoder that llama, subllm and others are built from: embedding, a list of blocks
// (RMSNorm, RoPE, grouped-query attention, SwiGLU), final norm, head. It knows the weights and one
// block's arithmetic; which tokens pass through which block is the architecture's business.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/kernels/skinny_linear.h"
#include "models/language_model.h"
#include "models/parts/attention.h"
#include "models/parts/kv_cache.h"
#include "models/parts/readout.h"
#include "models/parts/rope.h"

namespace sublab {

struct DecoderConfig {
  int64_t d_model = 256;
  int64_t n_layers = 8;
  int64_t n_heads = 4;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_ff = 0;
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  bool tied_head = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  double init_std = 0;
  double embedding_std = 1;

  template <class F>
  void fields(F& f) {
    f("d_model", d_model, "width of the residual stream", within(1, 1 << 20));
    f("n_layers", n_layers, "blocks", within(0, 10000));
    f("n_heads", n_heads, "query heads", within(1, 4096));
    f("n_kv_heads", n_kv_heads, "key/value heads; 0 = n_heads", within(0, 4096));
    f("head_dim", head_dim, "width of a head, even; 0 = d_model / n_heads", within(0, 1 << 16));
    f("d_ff", d_ff, "width of the feed-forward part; 0 = 8/3 d_model, up to a multiple of 8",
      within(0, 1 << 22));
    f("rope_theta", rope_theta, "base of the rotary frequencies", above(1, 1e12));
    f("norm_epsilon", norm_epsilon, "added to the mean square", within(0, 1));
    f("tied_head", tied_head, "the head is the embedding");
    f("attention_bias", attention_bias, "biases on q, k, v and o");
    f("mlp_bias", mlp_bias, "biases in the feed-forward part");
    f("init_std", init_std, "of all matrices; 0 = fan_in^-0.5, residual outputs / sqrt(2 n_layers)",
      within(0, 10));
    f("embedding_std", embedding_std, "of the embedding; 1 trains fastest here (docs/LOG.md)",
      above(0, 10));
  }

  /// Fills the zeros that stand for derived values and checks what fields alone cannot. `path` is
  /// the JSON path of the model config.
  void resolve(const std::string& path);
};

/// Queries and keys of a block, for scorers that look at its attention: rotated, a key bias
/// included, so that logits are q . k / sqrt(their width). Detached.
struct BlockProbe {
  at::Tensor q_NHK, k_NGK;
};

/// What a block works with beside its input.
struct BlockContext {
  const RopeAngles& angles;
  const Rows& rows;
  KvCache* cache = nullptr;     ///< set when the rows are new tokens against it
  at::Tensor key_bias = {};     ///< [N], added to every logit of a token's key; undefined = none
  BlockProbe* probe = nullptr;  ///< filled when set
};

class Decoder : public Readout {
 public:
  Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial);

  at::Tensor embed(const at::Tensor& tokens) const;
  /// Block `layer` over x [N, D].
  at::Tensor block(int64_t layer, const at::Tensor& x, const BlockContext& context) const;
  /// The same over whole rows, keeping its input alone for the backward pass.
  at::Tensor recomputed_block(int64_t layer, const at::Tensor& x, const RopeAngles& angles,
                              const RowsPtr& rows, const at::Tensor& key_bias) const;
  at::Tensor final_norm(const at::Tensor& x) const override;
  const at::Tensor& head_weight() const override { return config_.tied_head ? embedding_ : head_; }
  RopeAngles angles(const Rows& rows) const {
    return rope_->angles(rows.positions(), embedding_.options());
  }
  /// `biased`: for a block that is given a key bias, which is cached beside the keys.
  std::unique_ptr<KvCache> new_cache(int64_t n_rows, int64_t expected_tokens,
                                     bool biased = false) const;

  std::vector<Parameter> parameters() const;
  /// What one block is costed for: per row, `new_tokens` pass, each seeing `past_tokens` and its
  /// predecessors. `reached` is the probability that any token gets there (weights are read).
  struct BlockShape {
    int64_t layer, level;
    const std::vector<double>&new_tokens, &past_tokens;
    double reached = 1;
    double bytes_per_number = 4;
    bool biased = false;
    bool plain = false;  ///< as CostShape::plain
  };
  void add_block_cost(const BlockShape& shape, Ledger& ledger) const;
  void add_head_cost(double tokens, const CostShape& shape, Ledger& ledger) const;

  const DecoderConfig& config() const { return config_; }
  at::TensorOptions options() const { return embedding_.options(); }

 private:
  struct Linear {
    at::Tensor weight, bias;  // [out, in], [out] or undefined
    at::Tensor operator()(const at::Tensor& x) const { return linear_map(x, weight, bias); }
  };
  struct Block {
    at::Tensor attention_norm, mlp_norm;
    Linear q, k, v, o, gate, up, down;
  };
  template <class Self, class F>
  static void for_each(Self& self, const F& visit);

  DecoderConfig config_;
  at::Tensor embedding_, final_norm_, head_;
  std::vector<Block> blocks_;
  std::unique_ptr<Rope> rope_;
};

/// Decode state of an architecture made of decoder blocks: one cache per block.
class DecoderState : public DecodeState {
 public:
  DecoderState(int64_t n_rows, std::vector<std::unique_ptr<KvCache>> caches)
      : DecodeState(n_rows), caches(std::move(caches)) {}
  int64_t n_bytes() const override;
  std::vector<std::unique_ptr<KvCache>> caches;
};

}  // namespace sublab
