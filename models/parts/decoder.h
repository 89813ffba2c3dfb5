// What llama, subllm and others like them are made of: token ends around blocks of one width. Which
// tokens pass through which block is the architecture's business.
#pragma once

#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include "core/fields.h"
#include "models/parts/block_list.h"
#include "models/parts/token_ends.h"

namespace sublab {

struct DecoderConfig : BlockConfig {
  double rope_theta = 10000;
  bool tied_head = false;
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

struct Decoder {
  /// Plain rotary positions on this rank with everything kept, or other `parts`.
  Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial);
  Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial,
          AttentionParts parts);

  /// Front, blocks, back.
  std::vector<Parameter> parameters() const;

  TokenEnds ends;
  BlockList blocks;
};

/// Decode state of an architecture made of blocks: a cache per block.
class DecoderState : public DecodeState {
 public:
  DecoderState(int64_t n_rows, BlockCaches caches)
      : DecodeState(n_rows), caches(std::move(caches)) {}
  int64_t n_bytes() const override { return caches.n_bytes(); }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::unique_ptr<DecodeState>(new DecoderState(*this, rows));
  }
  /// A state that adds to this one says itself how it starts over.
  bool clear() override { return typeid(*this) == typeid(DecoderState) && clear_caches(); }
  BlockCaches caches;

 protected:
  bool clear_caches() {
    start_over();
    return caches.clear();
  }
  DecoderState(const DecoderState& of, const std::vector<int64_t>& rows)
      : DecodeState(of, rows), caches(of.caches.fork(rows)) {}
};

}  // namespace sublab
