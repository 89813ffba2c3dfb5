#include "models/parts/decoder.h"

#include <cmath>
#include <numeric>

#include "models/kernels/rms_norm.h"
#include "models/kernels/rotate.h"
#include "models/kernels/swiglu.h"
#include "models/parts/recompute.h"

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

template <class Self, class F>
void Decoder::for_each(Self& self, const F& visit) {
  visit("model.embed_tokens.weight", self.embedding_, true);
  for (size_t i = 0; i < self.blocks_.size(); ++i) {
    auto& block = self.blocks_[i];
    const std::string at = "model.layers." + std::to_string(i) + ".";
    const auto linear = [&](const std::string& name, auto& map) {
      visit(at + name + ".weight", map.weight, true);
      if (map.bias.defined()) visit(at + name + ".bias", map.bias, false);
    };
    visit(at + "input_layernorm.weight", block.attention_norm, false);
    linear("self_attn.q_proj", block.q);
    linear("self_attn.k_proj", block.k);
    linear("self_attn.v_proj", block.v);
    linear("self_attn.o_proj", block.o);
    visit(at + "post_attention_layernorm.weight", block.mlp_norm, false);
    linear("mlp.gate_proj", block.gate);
    linear("mlp.up_proj", block.up);
    linear("mlp.down_proj", block.down);
  }
  visit("model.norm.weight", self.final_norm_, false);
  if (!self.config_.tied_head) visit("lm_head.weight", self.head_, true);
}

Decoder::Decoder(const DecoderConfig& config, int64_t vocab_size, const Initial& initial)
    : config_(config), rope_(plain_rope(config.head_dim, config.rope_theta)) {
  const int64_t d = config.d_model, f = config.d_ff;
  const int64_t q_width = config.n_heads * config.head_dim;
  const int64_t kv_width = config.n_kv_heads * config.head_dim;
  const double depth_scale = 1 / std::sqrt(2.0 * std::max<int64_t>(config.n_layers, 1));
  const auto matrix = [&](const std::string& name, int64_t out, int64_t in, double scale) {
    const double std_dev = config.init_std > 0 ? config.init_std : 1 / std::sqrt(double(in));
    return normal_parameter(name, {out, in}, std_dev * scale, initial);
  };
  embedding_ =
      normal_parameter("model.embed_tokens.weight", {vocab_size, d}, config.embedding_std, initial);
  for (int64_t i = 0; i < config.n_layers; ++i) {
    const std::string at = "model.layers." + std::to_string(i) + ".";
    const auto linear = [&](const std::string& name, int64_t out, int64_t in, bool bias,
                            double scale = 1) {
      return Linear{matrix(at + name, out, in, scale),
                    bias ? constant_parameter({out}, 0, initial) : at::Tensor()};
    };
    const bool attention_bias = config.attention_bias, mlp_bias = config.mlp_bias;
    blocks_.push_back({constant_parameter({d}, 1, initial), constant_parameter({d}, 1, initial),
                       linear("self_attn.q_proj", q_width, d, attention_bias),
                       linear("self_attn.k_proj", kv_width, d, attention_bias),
                       linear("self_attn.v_proj", kv_width, d, attention_bias),
                       linear("self_attn.o_proj", d, q_width, attention_bias, depth_scale),
                       linear("mlp.gate_proj", f, d, mlp_bias),
                       linear("mlp.up_proj", f, d, mlp_bias),
                       linear("mlp.down_proj", d, f, mlp_bias, depth_scale)});
  }
  final_norm_ = constant_parameter({d}, 1, initial);
  if (!config.tied_head) head_ = matrix("lm_head.weight", vocab_size, d, 1);
}

at::Tensor Decoder::embed(const at::Tensor& tokens) const {
  return at::embedding(embedding_, tokens);
}

namespace {

/// Adds `bias` [N] to the logits of each key by one more dimension: attention scales a product of
/// K + 1 numbers by 1 / sqrt(K + 1), so q . k / sqrt(K) + bias is what comes out of these.
void widen_by_bias(at::Tensor& q, at::Tensor& k, at::Tensor& v, const at::Tensor& bias) {
  const double width = static_cast<double>(q.size(2));
  const auto column = [](const at::Tensor& like, double value) {
    return at::full({like.size(0), like.size(1), 1}, value, like.options());
  };
  q = at::cat({q * std::sqrt((width + 1) / width), column(q, std::sqrt(width + 1))}, 2);
  k = at::cat({k, bias.view({-1, 1, 1}).expand({k.size(0), k.size(1), 1}).to(k.dtype())}, 2);
  v = at::cat({v, column(v, 0)}, 2);
}

}  // namespace

at::Tensor Decoder::block(int64_t layer, const at::Tensor& x, const BlockContext& context) const {
  if (x.size(0) == 0) return x;
  const RopeAngles& angles = context.angles;
  const Block& block = blocks_[layer];
  const int64_t n = x.size(0), head_dim = config_.head_dim;
  const at::Tensor h = rms_norm(x, block.attention_norm, config_.norm_epsilon);
  at::Tensor q = rotate(block.q(h).view({n, config_.n_heads, head_dim}), angles.cos, angles.sin);
  at::Tensor k = rotate(block.k(h).view({n, config_.n_kv_heads, head_dim}), angles.cos, angles.sin);
  at::Tensor v = block.v(h).view({n, config_.n_kv_heads, head_dim});
  const bool biased = context.key_bias.defined();
  if (biased) widen_by_bias(q, k, v, context.key_bias);
  if (context.probe) *context.probe = {q.detach(), k.detach()};
  at::Tensor attended;
  if (context.cache) {
    context.cache->append(k, v, context.rows);
    attended = local_attention().step(q, *context.cache, context.rows);
  } else {
    attended = local_attention().whole_rows(q, k, v, context.rows);
  }
  if (biased) attended = attended.slice(2, 0, head_dim);
  const auto [y, g] = add_rms_norm(x, block.o(attended.reshape({n, config_.n_heads * head_dim})),
                                   block.mlp_norm, config_.norm_epsilon);
  return y + block.down(swiglu(block.gate(g), block.up(g)));
}

at::Tensor Decoder::recomputed_block(int64_t layer, const at::Tensor& x, const RopeAngles& angles,
                                     const RowsPtr& rows, const at::Tensor& key_bias) const {
  if (x.size(0) == 0) return x;
  return recomputed(
      [this, layer, angles, rows](const at::Tensor& input, const at::Tensor& bias) {
        return block(layer, input, {angles, *rows, nullptr, bias});
      },
      x, key_bias);
}

at::Tensor Decoder::final_norm(const at::Tensor& x) const {
  return rms_norm(x, final_norm_, config_.norm_epsilon);
}

std::unique_ptr<KvCache> Decoder::new_cache(int64_t n_rows, int64_t expected_tokens,
                                            bool biased) const {
  return full_kv_cache(n_rows, expected_tokens, config_.n_kv_heads, config_.head_dim + biased,
                       options());
}

std::vector<Parameter> Decoder::parameters() const {
  std::vector<Parameter> out;
  for_each(*this, [&](const std::string& name, const at::Tensor& tensor, bool decay) {
    out.push_back({name, tensor, 1.0, decay});
  });
  return out;
}

namespace {

/// Numbers that RMSNorm keeps per token: input, scale and output. The plain form keeps the input in
/// float32, and what it was before the gain.
double norm_numbers(double d, double bytes_per_number, bool plain) {
  return plain ? d * 4 / bytes_per_number + 2 * d + 1 : 2 * d + 1;
}

}  // namespace

void Decoder::add_block_cost(const BlockShape& shape, Ledger& ledger) const {
  const auto& [layer, level, new_tokens, past_tokens, reached, bytes_per_number, biased, plain] =
      shape;
  const double n = std::accumulate(new_tokens.begin(), new_tokens.end(), 0.0);
  const double d = config_.d_model, f = config_.d_ff;
  const double q_width = config_.n_heads * config_.head_dim;
  const double kv_width = config_.n_kv_heads * config_.head_dim;
  const double widened = static_cast<double>(config_.head_dim + biased) / config_.head_dim;
  // What each part keeps per token for the backward pass (shared tensors once): the norms their
  // input, its scale, and their output, which the maps behind them read; attention the rotated q
  // and k, v, its output and the log-sums of its softmax; SwiGLU gate, up and their product. Plain
  // forms keep q and k before their rotation too, and SiLU of the gate.
  const double norm_kept = norm_numbers(d, bytes_per_number, plain);
  const auto linear = [&](const char* part, double in, double out, double kept) {
    LedgerLine line =
        linear_cost(part, shape.layer, shape.level, n, in, out, shape.bytes_per_number);
    line.bytes *= shape.reached;
    line.activation_bytes = n * kept * shape.bytes_per_number;
    if (std::string_view(part) == "attention.qkv")
      line.input_bytes = n * d * shape.bytes_per_number;
    ledger.add(line);
  };
  linear("attention.qkv", d, q_width + 2 * kv_width, norm_kept);
  double causal_pairs = 0, square_pairs = 0, cached = 0, held = 0;
  for (size_t b = 0; b < new_tokens.size(); ++b) {
    const double t = new_tokens[b], past = past_tokens.empty() ? 0 : past_tokens[b];
    causal_pairs += t * past + t * (t + 1) / 2;
    square_pairs += t * (past + t);
    cached += t > 0 ? std::min(t, 1.0) * (past + t) : 0;
    held += past + t;
  }
  const double pair_bytes = 2 * kv_width * widened * bytes_per_number;  // of one token's k and v
  ledger.add(
      {"attention.scores", layer, level, n, 4 * q_width * widened * causal_pairs,
       4 * q_width * widened * square_pairs, pair_bytes * cached,
       n * ((plain ? 3 : 2) * (q_width + kv_width) * widened + config_.n_heads) * bytes_per_number,
       /*input_bytes=*/0, pair_bytes * held});
  linear("attention.out", q_width, d, 0);
  linear("swiglu", d, 3 * f, norm_kept + (plain ? 4 : 3) * f);
}

void Decoder::add_head_cost(double tokens, const CostShape& shape, Ledger& ledger) const {
  const double bytes_per_number = shape.bytes_per_number;
  const double d = config_.d_model, v = static_cast<double>(embedding_.size(0));
  LedgerLine line = linear_cost("head", -1, 0, tokens, d, v, bytes_per_number);
  // The final norm's input, scale and output, the angles of level 0, and the gradients to hidden
  // states and head, which are made on the way forward.
  line.activation_bytes = (tokens * (norm_numbers(d, bytes_per_number, shape.plain) +
                                     static_cast<double>(config_.head_dim) + d) +
                           v * d) *
                          bytes_per_number;
  ledger.add(line);
}

int64_t DecoderState::n_bytes() const {
  int64_t sum = 0;
  for (const auto& cache : caches) sum += cache->n_bytes();
  return sum;
}

}  // namespace sublab
