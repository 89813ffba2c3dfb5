// The settings of a decoder, and its assembly.
#include "models/parts/decoder.h"

namespace sublab {

void DecoderConfig::resolve(const std::string& path) {
  if (n_kv_heads == 0) n_kv_heads = n_heads;
  if (head_dim == 0) {
    if (d_model % n_heads != 0)
      throw UserError(path + "/n_heads", std::to_string(n_heads) + " does not divide d_model " +
                                             std::to_string(d_model) +
                                             "; set head_dim, or choose a divisor");
    head_dim = d_model / n_heads;
  }
  if (head_dim % 2 != 0)
    throw UserError(path + "/head_dim",
                    std::to_string(head_dim) + " is odd; rotary embedding needs an even head_dim");
  if (n_heads % n_kv_heads != 0)
    throw UserError(path + "/n_kv_heads", std::to_string(n_kv_heads) + " does not divide n_heads " +
                                              std::to_string(n_heads));
  if (d_ff == 0) d_ff = (8 * d_model / 3 + 7) / 8 * 8;
}

Decoder::Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial)
    : Decoder(config, vocab_size, initial,
              full_attention(plain_rope(config.head_dim, config.rope_theta))) {}

Decoder::Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial,
                 AttentionParts parts)
    : ends({.d_model = config.d_model,
            .vocab_size = vocab_size,
            .norm_epsilon = config.norm_epsilon,
            .tied_head = config.tied_head,
            .embedding_std = config.embedding_std,
            .init_std = config.init_std},
           initial),
      blocks("model.layers", config, config.n_layers, std::move(parts), initial) {}

std::vector<Parameter> Decoder::parameters() const {
  std::vector<Parameter> out;
  ends.add_front_parameters(out);
  blocks.add_parameters(out);
  ends.add_back_parameters(out);
  return out;
}

}  // namespace sublab
