// MEGA (arXiv:2209.10655, facebookresearch/mega @main, the language models of its README). A block,
// of x [N, D], with X' the average of the normed input:
//
//   t = LayerNorm(x),  m = silu(EMA(t) + omega t)
//   v = silu(Wv t + bv),  [u | z | r | h] = W m + b,  u = sigmoid(u),  z = silu(z),  r = silu(r)
//   q = gain_q z + offset_q,  k likewise;  a = softmax(q k^T / sqrt(Z) + bias) v, causal in a chunk
//   y = u * silu(h + Wo (a * r) + bo) + (1 - u) * x          u updates, r resets
//   out = y + W2 silu(W1 LayerNorm(y) + b1) + b2
//
// and a final LayerNorm. The average is damped and real, per channel and for n = 1 .. S:
//
//   h_{t,n} = (1 - sigmoid(alpha_n) sigmoid(delta_n)) h_{t-1,n} + sigmoid(delta_n) beta_n x_t
//   y_t = sum_n gamma_n / sqrt(S) h_{t,n}
//
// The names alpha and delta are the code's; the paper's are the other way round. bias is rotary:
// <R_i a, R_j b> with learned a, b [Z] turned by places in the chunk, so it depends on i - j alone.
// Against the released code: averages are never truncated, a row may have any length, no dropout.
#include <cmath>

#include "baselines/architectures/chunked_decoder.h"
#include "models/entries/architecture.h"
#include "models/parts/linear.h"
#include "models/wide_type.h"

namespace sublab {
namespace mega {

struct Config : ChunkedDecoderConfig {
  bool scale_embedding = true;

  template <class F>
  void fields(F& f) {
    ChunkedDecoderConfig::fields(f);
    f("d_ff", d_ff, "width of the feed-forward part; 0 = v_dim", within(0, 1 << 22));
    f("scale_embedding", scale_embedding, "embeddings are multiplied by sqrt(d_model)");
  }

  void resolve(const std::string& path) {
    if (z_dim == 0) z_dim = std::max<int64_t>(d_model / 4 / 2 * 2, 2);
    if (v_dim == 0) v_dim = 2 * d_model;
    if (d_ff == 0) d_ff = v_dim;
    if (z_dim % 2 != 0)
      throw UserError(path + "/z_dim",
                      std::to_string(z_dim) + " is odd; the rotary bias needs an even width");
  }
};

struct LayerNorm {
  LayerNorm(const std::string& name, const Config& config, const Initial& initial)
      : name(name),
        epsilon(config.norm_epsilon),
        weight(constant_parameter({config.d_model}, 1, initial)),
        bias(constant_parameter({config.d_model}, 0, initial)) {}

  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
  void add_parameters(std::vector<Parameter>& out) const {
    out.push_back({name + ".weight", weight, 1.0, true});
    out.push_back({name + ".bias", bias, 1.0, true});
  }

  std::string name;
  double epsilon;
  at::Tensor weight, bias;  // [D]
};

/// As the released code draws it: beta near 1, -1, 1, -1, ...
struct DampedAverage {
  DampedAverage(const std::string& name, int64_t d, int64_t s, const Initial& initial)
      : name(name),
        alpha(normal_parameter(name + ".alpha", {d, s}, 0.2, initial)),
        delta(normal_parameter(name + ".delta", {d, s}, 0.2, initial)),
        beta(normal_parameter(name + ".beta", {d, s}, 0.02, initial)),
        gamma(normal_parameter(name + ".gamma", {d, s}, 1, initial)),
        omega(normal_parameter(name + ".omega", {d}, 1, initial)) {
    if (initial.shapes_only()) return;
    at::NoGradGuard no_grad;
    beta.add_(1 - 2 * at::arange(s, beta.options()).remainder(2));
  }

  AverageTerms terms() const {
    const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
    const at::Tensor p = wide(delta).sigmoid();
    return {.log_decay = (-p * wide(alpha).sigmoid()).log1p(),
            .angle = {},
            .input = p * wide(beta),
            .gain = wide(gamma) * (1 / std::sqrt(static_cast<double>(alpha.size(1))))};
  }

  void add_parameters(std::vector<Parameter>& out) const {
    out.push_back({name + ".alpha", alpha, 1.0, true});
    out.push_back({name + ".delta", delta, 1.0, true});
    out.push_back({name + ".beta", beta, 1.0, true});
    out.push_back({name + ".gamma", gamma, 1.0, true});
    out.push_back({name + ".omega", omega, 1.0, true});
  }

  std::string name;
  at::Tensor alpha, delta, beta, gamma, omega;  // [D, S] four times, [D]
};

constexpr double kInitStd = 0.02;  // of maps, gains of queries and keys, and the bias

struct Layer {
  Layer(const std::string& name, const Config& c, const Initial& initial)
      : name(name),
        norm(name + ".norm", c, initial),
        average(name + ".ema", c.d_model, c.ema_dim, initial),
        v(name + ".v_proj", c.d_model, c.v_dim, initial, drawn()),
        mx(name + ".mx_proj", c.d_model, 2 * c.d_model + c.z_dim + c.v_dim, initial, drawn()),
        o(name + ".o_proj", c.v_dim, c.d_model, initial, drawn()),
        gain(normal_parameter(name + ".qk_gain", {2, c.z_dim}, kInitStd, initial)),
        offset(constant_parameter({2, c.z_dim}, 0, initial)),
        bias(normal_parameter(name + ".rotary_bias", {2, c.z_dim}, kInitStd, initial)),
        mlp_norm(name + ".mlp_norm", c, initial),
        fc1(name + ".mlp.fc1", c.d_model, c.d_ff, initial, drawn()),
        fc2(name + ".mlp.fc2", c.d_ff, c.d_model, initial, drawn()) {}
  static LinearConfig drawn() { return {.bias = true, .std_dev = kInitStd}; }

  void add_parameters(std::vector<Parameter>& out) const {
    norm.add_parameters(out);
    average.add_parameters(out);
    for (const Linear* map : {&v, &mx, &o}) map->add_parameters(out);
    out.push_back({name + ".qk_gain", gain, 1.0, true});
    out.push_back({name + ".qk_offset", offset, 1.0, true});
    out.push_back({name + ".rotary_bias", bias, 1.0, true});
    mlp_norm.add_parameters(out);
    for (const Linear* map : {&fc1, &fc2}) map->add_parameters(out);
  }

  std::string name;
  LayerNorm norm;
  DampedAverage average;
  Linear v, mx, o;
  at::Tensor gain, offset, bias;  // [2, z_dim]: of queries, of keys
  LayerNorm mlp_norm;
  Linear fc1, fc2;
};

class Mega : public ChunkedDecoder {
 public:
  Mega(const Config& config, int64_t vocab_size, const Initial& initial)
      : ChunkedDecoder(
            config,
            {.embedding_scale =
                 config.scale_embedding ? std::sqrt(static_cast<double>(config.d_model)) : 1.0,
             .cut = false},
            vocab_size, initial, nullptr),
        config_(config),
        turns_(plain_rope(config.z_dim, 10000)),
        final_norm_("model.norm", config, initial) {
    for (int64_t i = 0; i < config.n_layers; ++i)
      layers_.emplace_back("model.layers." + std::to_string(i), config, initial);
  }

 protected:
  at::Tensor layer(int64_t i, const at::Tensor& x, const ChunkedPass& pass,
                   ChunkedLayerState* state) const override {
    const Layer& layer = layers_[i];
    const at::Tensor t = layer.norm(x), m = averaged(layer, t, pass, state);
    const int64_t d = config_.d_model, z = config_.z_dim, e = config_.v_dim;
    const std::vector<at::Tensor> made = layer.mx(m).split_with_sizes({d, z + e, d}, 1);
    const at::Tensor zr = at::silu(made[1]);
    const at::Tensor attended =
        attention(layer, zr.slice(1, 0, z), at::silu(layer.v(t)), pass, state);
    const at::Tensor h = at::silu(made[2] + layer.o(attended * zr.slice(1, z)));
    const at::Tensor y = x + at::sigmoid(made[0]) * (h - x);
    return y + layer.fc2(at::silu(layer.fc1(layer.mlp_norm(y))));
  }

  at::Tensor final_norm(const at::Tensor& x, const ChunkedPass&, TimestepMoments*) const override {
    return final_norm_(x);
  }

  ChunkedLayerState new_layer_state(int64_t n_rows) const override {
    const auto wide = options().dtype(wide_type(dtype()));
    return {at::zeros({n_rows, config_.d_model, config_.ema_dim}, wide), new_moments(n_rows),
            OpenChunks(n_rows, 1, config_.z_dim, config_.v_dim, options())};
  }
  TimestepMoments new_moments(int64_t) const override { return {}; }
  void add_layer_parameters(int64_t i, std::vector<Parameter>& out) const override {
    layers_[i].add_parameters(out);
  }
  void add_norm_parameters(std::vector<Parameter>& out) const override {
    final_norm_.add_parameters(out);
  }
  void add_layer_cost(const PassShape& shape, const CostShape& whole,
                      Ledger& ledger) const override;

 private:
  /// t [N, D] -> silu(EMA(t) + omega t).
  static at::Tensor averaged(const Layer& layer, const at::Tensor& t, const ChunkedPass& pass,
                             ChunkedLayerState* state) {
    const at::Tensor average = averaged_rows(layer.average.terms(), pass.rows.split(t), pass,
                                             state ? &state->average : nullptr);
    return at::silu(average.to(t.scalar_type()) + t * layer.average.omega);
  }

  at::Tensor attention(const Layer& layer, const at::Tensor& z, const at::Tensor& v,
                       const ChunkedPass& pass, ChunkedLayerState* state) const {
    const double scale = 1 / std::sqrt(static_cast<double>(config_.z_dim));
    const at::Tensor q = (z * layer.gain[0] + layer.offset[0]) * scale;
    const at::Tensor k = z * layer.gain[1] + layer.offset[1];
    const LogitBias bias = [&](int64_t past, int64_t length) {
      return rotary_bias(layer, past, length, v.options());
    };
    return attend_in_chunks(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), pass.plan, bias,
                            state ? &state->open : nullptr)
        .squeeze(1);
  }

  /// [length, past + length]: <R_{i-j} a, b> for the query at place past + i and the key at j; of
  /// later keys, which are hidden, that of the key at the query's own place.
  at::Tensor rotary_bias(const Layer& layer, int64_t past, int64_t length,
                         const at::TensorOptions& like) const {
    const auto wide = like.dtype(wide_type(like));
    const at::Tensor ab = layer.bias.to(wide.dtype().toScalarType());
    const int64_t seen = past + length;
    const at::Tensor apart = at::arange(seen, wide.dtype(at::kLong));
    const at::Tensor turned =
        turns_->angles(apart, 0, wide).rotated(ab[0].view({1, 1, -1}).repeat({seen, 1, 1}));
    const at::Tensor by_distance = (turned.squeeze(1) * ab[1]).sum(-1);  // [seen]
    const at::Tensor distance = (apart.slice(0, past).unsqueeze(1) - apart).clamp_min(0);
    return by_distance.index_select(0, distance.flatten()).view(distance.sizes());
  }

  Config config_;
  std::unique_ptr<Rope> turns_;
  LayerNorm final_norm_;
  std::vector<Layer> layers_;
};

void Mega::add_layer_cost(const PassShape& shape, const CostShape& whole, Ledger& ledger) const {
  const Config& c = config_;
  const double n = shape.n_tokens(), bytes = shape.bytes_per_number;
  const auto d = static_cast<double>(c.d_model), z = static_cast<double>(c.z_dim);
  const auto e = static_cast<double>(c.v_dim), f = static_cast<double>(c.d_ff);
  LedgerLine average = AverageCost{c.d_model, c.ema_dim, false}.line("ema", shape.layer, whole);
  average.activation_bytes += n * 3 * d * bytes;  // the norm's input and output, the sum
  average.input_bytes = n * d * bytes;
  ledger.add(average);
  LedgerLine maps = linear_cost("attention.maps", shape.layer, 0, n, d, 2 * d + z + 2 * e, bytes);
  maps.activation_bytes = n * (6 * d + 4 * z + 5 * e) * bytes;
  ledger.add(maps);
  ledger.add(chunk_attention_cost(shape, c.chunk_len, 1, c.z_dim, c.v_dim));
  ledger.add(linear_cost("attention.out", shape.layer, 0, n, e, d, bytes));
  LedgerLine mlp = linear_cost("mlp", shape.layer, 0, n, d, 2 * f, bytes);
  mlp.activation_bytes = n * (2 * d + 2 * f) * bytes;
  ledger.add(mlp);
}

}  // namespace mega

ArchitectureEntry mega_architecture() {
  auto entry = architecture_entry<mega::Mega, mega::Config>(
      "mega", "damped moving average and gated attention inside chunks: the ancestor of megalodon",
      "arXiv:2209.10655");
  const json small = {{"n_layers", 2}, {"d_model", 32},  {"z_dim", 8},  {"v_dim", 48},
                      {"d_ff", 40},    {"chunk_len", 8}, {"ema_dim", 4}};
  json tied = small;
  tied.update({{"tied_head", true}, {"chunk_len", 16}});
  entry.examples = {{"", small}, {"tied", tied}};
  return entry;
}

}  // namespace sublab
