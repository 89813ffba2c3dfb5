// MEGALODON (arXiv:2404.08801, XuezheMax/megalodon @cff8ba5). A block, of x [N, D]:
//
//   t = TimestepNorm(x),  c = CEMA(t),  m = RMSNorm(c)
//   z = RMSNorm_per_head(Wz m + bz) / sqrt(Z/H),  q = (gain_q + 1) z + offset_q,  k likewise
//   v = silu(Wv t + bv),  r = silu(Wr m + br)
//   a = softmax(q k^T) v, causal inside a chunk, q and k rotated by their place in it
//   y = Wh m + bh + Wo (a * r) + x
//   out = W2 silu(W1 LayerNorm(y)) + x           the residual is x, not y: two hops
//
// with a final TimestepNorm in front of the head. CEMA is, per channel and for n = 1 .. S,
//
//   h_{t,n} = q_n h_{t-1,n} + sigmoid(alpha_n) x_t,   y_t = Re sum_n gamma_n / sqrt(S) h_{t,n} +
//   omega x_t, q_n = (1 - sigmoid(alpha_n) sigmoid(delta_n)) e^{i theta_n},  theta_n = n (2 pi / S)
//   sigmoid(theta).
//
// As released, against the paper: the input is not turned by e^{i theta} and has no expansion
// beta, which a complex gamma takes up. Norms store their gain minus 1. Against the released code:
// rotary pairs are (i, i + K/2), a permutation of z's numbers; a row may have any length. No
// dropout.
#include <cmath>

#include "baselines/architectures/chunked_decoder.h"
#include "models/entries/architecture.h"
#include "models/kernels/rms_norm.h"
#include "models/kernels/swiglu.h"
#include "models/parts/linear.h"
#include "models/wide_type.h"

namespace sublab {
namespace megalodon {

constexpr double kTwoPi = 6.283185307179586476925286766559;

struct Config : ChunkedDecoderConfig {
  int64_t n_heads = 1;
  int64_t norm_groups = 0;
  double rope_theta = 10000;
  bool swiglu = false;
  bool scale_embedding = false;

  template <class F>
  void fields(F& f) {
    ChunkedDecoderConfig::fields(f);
    f("n_heads", n_heads, "heads of attention, which divide z_dim and v_dim", within(1, 4096));
    f("d_ff", d_ff,
      "width of the feed-forward part; 0 = 5/2 d_model, with swiglu 7/4, up to a "
      "multiple of 8",
      within(0, 1 << 22));
    f("norm_groups", norm_groups,
      "groups of features of the timestep norm; 0 = as many as divide d_model, up to 32",
      within(0, 1 << 20));
    f("rope_theta", rope_theta, "base of the rotary frequencies", above(1, 1e12));
    f("swiglu", swiglu, "the feed-forward part is gated");
    f("scale_embedding", scale_embedding, "embeddings are multiplied by sqrt(d_model)");
  }

  void resolve(const std::string& path) {
    const int64_t even = 2 * n_heads;
    if (z_dim == 0) z_dim = (d_model / 4 + even - 1) / even * even;
    if (z_dim == 0) z_dim = even;
    if (v_dim == 0) v_dim = (2 * d_model + n_heads - 1) / n_heads * n_heads;
    if (d_ff == 0) d_ff = ((swiglu ? 7 * d_model / 4 : 5 * d_model / 2) + 7) / 8 * 8;
    if (norm_groups == 0) {
      norm_groups = std::min<int64_t>(32, d_model / 2);
      while (d_model % norm_groups != 0) --norm_groups;
    }
    check_divides(n_heads, "n_heads", z_dim, "z_dim", path);
    check_divides(n_heads, "n_heads", v_dim, "v_dim", path);
    check_divides(norm_groups, "norm_groups", d_model, "d_model", path);
    if (z_dim / n_heads % 2 != 0)
      throw UserError(path + "/z_dim", std::to_string(z_dim) + " over " + std::to_string(n_heads) +
                                           " heads is odd; rotary embedding needs an even width");
    if (norm_groups == d_model)
      throw UserError(path + "/norm_groups", std::to_string(norm_groups) +
                                                 " groups of one feature each: the first token "
                                                 "of a row has no variance; at most d_model / 2");
  }
};

/// The complex moving average of one layer.
struct ComplexAverage {
  ComplexAverage(const std::string& name, int64_t d, int64_t s, const Initial& initial)
      : name(name),
        alpha(normal_parameter(name + ".alpha", {d, s}, 0.2, initial)),
        delta(normal_parameter(name + ".delta", {d, s}, 0.2, initial)),
        theta(constant_parameter({d}, 0, initial)),
        gamma(normal_parameter(name + ".gamma", {d, s, 2}, 1, initial)),
        omega(cut_normal_parameter(name + ".omega", {d}, 0.25, 1, initial)) {
    if (initial.shapes_only()) return;
    at::NoGradGuard no_grad;
    gamma.select(2, 1).zero_();
    const auto wide = at::TensorOptions(at::kDouble);
    const at::Tensor frequency =
        (at::arange(1, d + 1, wide) * (-std::log(static_cast<double>(d)) / static_cast<double>(d)))
            .exp();
    const at::Tensor order =
        at::randperm(d, generator(initial.seed, "init/" + name + ".theta"), at::kLong);
    theta.copy_((frequency / (1 - frequency)).log().index_select(0, order));
  }

  AverageTerms terms() const {
    const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
    const int64_t s = alpha.size(1);
    const at::Tensor p = wide(alpha).sigmoid();
    const at::Tensor n = at::arange(1, s + 1, p.options()) * (kTwoPi / static_cast<double>(s));
    const at::Tensor gain = wide(gamma) * (1 / std::sqrt(static_cast<double>(s)));
    return {.log_decay = (-p * wide(delta).sigmoid()).log1p(),
            .angle = wide(theta).sigmoid().unsqueeze(1) * n,
            .input = p,
            .gain = gain.select(2, 0),
            .imaginary_gain = gain.select(2, 1)};
  }

  void add_parameters(std::vector<Parameter>& out) const {
    out.push_back({name + ".alpha", alpha, 1.0, true});
    out.push_back({name + ".delta", delta, 1.0, true});
    out.push_back({name + ".theta", theta, 1.0, true});
    out.push_back({name + ".gamma", gamma, 1.0, true});
    out.push_back({name + ".omega", omega, 1.0, true});
  }

  std::string name;
  at::Tensor alpha, delta, theta, gamma, omega;  // [D, S] twice, [D], [D, S, 2], [D]
};

/// As the released code draws maps ("he"): N(0, 1 / (3 inputs)).
Linear map_of(const std::string& name, int64_t inputs, int64_t outputs, bool bias,
              const Initial& initial) {
  return {name,
          inputs,
          outputs,
          initial,
          {.bias = bias, .std_dev = 1 / std::sqrt(3.0 * static_cast<double>(inputs))}};
}

struct Layer {
  Layer(const std::string& name, const Config& c, const Initial& initial)
      : name(name),
        timestep_norm(name + ".timestep_norm", c.d_model, c.norm_groups, c.norm_epsilon, initial),
        average(name + ".cema", c.d_model, c.ema_dim, initial),
        average_gain(constant_parameter({c.d_model}, 0, initial)),
        z(map_of(name + ".z_proj", c.d_model, c.z_dim, true, initial)),
        v(map_of(name + ".v_proj", c.d_model, c.v_dim, true, initial)),
        r(map_of(name + ".r_proj", c.d_model, c.v_dim, true, initial)),
        h(map_of(name + ".h_proj", c.d_model, c.d_model, true, initial)),
        o(map_of(name + ".o_proj", c.v_dim, c.d_model, false, initial)),
        gain(constant_parameter({2, c.z_dim}, 0, initial)),
        offset(constant_parameter({2, c.z_dim}, 0, initial)),
        mlp_gain(constant_parameter({c.d_model}, 0, initial)),
        mlp_bias(constant_parameter({c.d_model}, 0, initial)),
        fc1(map_of(name + ".mlp.fc1", c.d_model, c.d_ff, false, initial)),
        fc2(map_of(name + ".mlp.fc2", c.d_ff, c.d_model, false, initial)) {
    if (c.swiglu) fc3.push_back(map_of(name + ".mlp.fc3", c.d_model, c.d_ff, false, initial));
  }

  void add_parameters(std::vector<Parameter>& out) const {
    timestep_norm.add_parameters(out);
    average.add_parameters(out);
    out.push_back({name + ".cema_norm.weight", average_gain, 1.0, true});
    for (const Linear* map : {&z, &v, &r, &h, &o}) map->add_parameters(out);
    out.push_back({name + ".qk_gain", gain, 1.0, true});
    out.push_back({name + ".qk_offset", offset, 1.0, true});
    out.push_back({name + ".mlp_norm.weight", mlp_gain, 1.0, true});
    out.push_back({name + ".mlp_norm.bias", mlp_bias, 1.0, true});
    for (const Linear* map : {&fc1, &fc2}) map->add_parameters(out);
    for (const Linear& map : fc3) map.add_parameters(out);
  }

  std::string name;
  TimestepNorm timestep_norm;
  ComplexAverage average;
  at::Tensor average_gain;  // [D], minus 1
  Linear z, v, r, h, o;
  at::Tensor gain, offset;        // [2, z_dim]: of queries, of keys; gains minus 1
  at::Tensor mlp_gain, mlp_bias;  // [D]
  Linear fc1, fc2;
  std::vector<Linear> fc3;  // with swiglu
};

class Megalodon : public ChunkedDecoder {
 public:
  Megalodon(const Config& config, int64_t vocab_size, const Initial& initial)
      : ChunkedDecoder(
            config,
            {.embedding_scale =
                 config.scale_embedding ? std::sqrt(static_cast<double>(config.d_model)) : 1.0,
             .cut = true},
            vocab_size, initial, plain_rope(config.z_dim / config.n_heads, config.rope_theta)),
        config_(config),
        final_norm_("model.norm", config.d_model, config.norm_groups, config.norm_epsilon,
                    initial) {
    for (int64_t i = 0; i < config.n_layers; ++i)
      layers_.emplace_back("model.layers." + std::to_string(i), config, initial);
  }

 protected:
  at::Tensor layer(int64_t i, const at::Tensor& x, const ChunkedPass& pass,
                   ChunkedLayerState* state) const override {
    const Layer& layer = layers_[i];
    const auto [normed, averaged] = averages(layer, x, pass, state);
    const at::Tensor m = rms_norm(averaged, layer.average_gain + 1, config_.norm_epsilon);
    const std::vector<at::Tensor> made = maps_of(m, {&layer.z, &layer.r, &layer.h});
    const at::Tensor v = at::silu(layer.v(normed)), r = at::silu(made[1]);
    const at::Tensor attended = attention(layer, made[0], v, pass, state);
    const at::Tensor y = made[2] + layer.o(attended * r) + x;
    return feed_forward(layer, at::layer_norm(y, {config_.d_model}, layer.mlp_gain + 1,
                                              layer.mlp_bias, config_.norm_epsilon)) +
           x;
  }

  at::Tensor final_norm(const at::Tensor& x, const ChunkedPass& pass,
                        TimestepMoments* moments) const override {
    std::vector<at::Tensor> parts = pass.rows.split(x);
    for (size_t g = 0; g < parts.size(); ++g)
      parts[g] = normed(final_norm_, parts[g], pass, g, moments);
    return pass.rows.joined(parts);
  }

  ChunkedLayerState new_layer_state(int64_t n_rows) const override {
    const auto wide = options().dtype(wide_type(dtype()));
    return {at::zeros({n_rows, config_.d_model, 2 * config_.ema_dim}, wide), new_moments(n_rows),
            OpenChunks(n_rows, config_.n_heads, config_.z_dim / config_.n_heads,
                       config_.v_dim / config_.n_heads, options())};
  }
  TimestepMoments new_moments(int64_t n_rows) const override {
    return final_norm_.no_moments(n_rows, options());
  }
  void add_layer_parameters(int64_t i, std::vector<Parameter>& out) const override {
    layers_[i].add_parameters(out);
  }
  void add_norm_parameters(std::vector<Parameter>& out) const override {
    final_norm_.add_parameters(out);
  }
  void add_layer_cost(const PassShape& shape, const CostShape& whole,
                      Ledger& ledger) const override;

 private:
  /// A norm over the rows of group g; rows that go on take their moments from `state`.
  static at::Tensor normed(const TimestepNorm& norm, const at::Tensor& x, const ChunkedPass& pass,
                           size_t g, TimestepMoments* state) {
    if (!state) return norm(x, pass.counts[g], nullptr);
    TimestepMoments moments = {rows_of(state->mean, pass.index[g]),
                               rows_of(state->variance, pass.index[g])};
    const at::Tensor out = norm(x, pass.counts[g], &moments);
    put_rows(state->mean, pass.index[g], moments.mean);
    put_rows(state->variance, pass.index[g], moments.variance);
    return out;
  }

  /// x [N, D] -> its timestep norm, and the moving average of that.
  static std::pair<at::Tensor, at::Tensor> averages(const Layer& layer, const at::Tensor& x,
                                                    const ChunkedPass& pass,
                                                    ChunkedLayerState* state) {
    const AverageTerms terms = layer.average.terms();
    std::vector<at::Tensor> parts = pass.rows.split(x);
    for (size_t g = 0; g < parts.size(); ++g)
      parts[g] = normed(layer.timestep_norm, parts[g], pass, g, state ? &state->moments : nullptr);
    const at::Tensor all = pass.rows.joined(parts);
    const at::Tensor average = averaged_rows(terms, parts, pass, state ? &state->average : nullptr);
    return {all, average.to(x.scalar_type()) + all * layer.average.omega};
  }

  /// z [N, z_dim] as mapped, v [N, v_dim] -> [N, v_dim].
  at::Tensor attention(const Layer& layer, const at::Tensor& mapped, const at::Tensor& v,
                       const ChunkedPass& pass, ChunkedLayerState* state) const {
    const int64_t n = v.size(0), heads = config_.n_heads, width = config_.z_dim / heads;
    const at::Tensor z = rms_norm(mapped.reshape({n * heads, width}),
                                  at::ones({width}, mapped.options()), config_.norm_epsilon)
                             .view({n, config_.z_dim});
    const at::Tensor gain = (layer.gain + 1) * (1 / std::sqrt(static_cast<double>(width)));
    const auto turned = [&](int64_t which) {
      return pass.angles.rotated((z * gain[which] + layer.offset[which]).view({n, heads, width}));
    };
    return attend_in_chunks(turned(0), turned(1), v.view({n, heads, -1}), pass.plan, nullptr,
                            state ? &state->open : nullptr)
        .reshape(v.sizes());
  }

  static at::Tensor feed_forward(const Layer& layer, const at::Tensor& x) {
    if (layer.fc3.empty()) return layer.fc2(at::silu(layer.fc1(x)));
    const std::vector<at::Tensor> made = maps_of(x, {&layer.fc1, &layer.fc3.front()});
    return layer.fc2(swiglu(made[0], made[1]));
  }

  Config config_;
  TimestepNorm final_norm_;
  std::vector<Layer> layers_;
};

void Megalodon::add_layer_cost(const PassShape& shape, const CostShape& whole,
                               Ledger& ledger) const {
  const Config& c = config_;
  const double n = shape.n_tokens(), bytes = shape.bytes_per_number;
  const auto d = static_cast<double>(c.d_model), z = static_cast<double>(c.z_dim);
  const auto e = static_cast<double>(c.v_dim), f = static_cast<double>(c.d_ff);
  LedgerLine average = AverageCost{c.d_model, c.ema_dim, true}.line("cema", shape.layer, whole);
  average.activation_bytes += n * 4 * d * bytes;  // the norm's input, its quotient and output, c
  average.input_bytes = n * d * bytes;
  average.cache_bytes += 2 * static_cast<double>(whole.new_tokens.size() * c.norm_groups) * bytes;
  ledger.add(average);
  LedgerLine maps = linear_cost("attention.maps", shape.layer, 0, n, d, z + 2 * e + d, bytes);
  maps.activation_bytes = n * (2 * d + 4 * z + 5 * e) * bytes;
  ledger.add(maps);
  ledger.add(chunk_attention_cost(shape, c.chunk_len, c.n_heads, c.z_dim, c.v_dim));
  ledger.add(linear_cost("attention.out", shape.layer, 0, n, e, d, bytes));
  LedgerLine mlp = linear_cost("mlp", shape.layer, 0, n, d, (c.swiglu ? 3 : 2) * f, bytes);
  mlp.activation_bytes = n * (2 * d + (c.swiglu ? 3 : 2) * f) * bytes;
  ledger.add(mlp);
}

}  // namespace megalodon

ArchitectureEntry megalodon_architecture() {
  auto entry = architecture_entry<megalodon::Megalodon, megalodon::Config>(
      "megalodon",
      "complex moving average, timestep norm and normalised gated attention inside chunks",
      "arXiv:2404.08801");
  const json small = {{"n_layers", 2}, {"d_model", 32},    {"z_dim", 8},     {"v_dim", 48},
                      {"d_ff", 40},    {"norm_groups", 4}, {"chunk_len", 8}, {"ema_dim", 4}};
  json heads = small;
  heads.update({{"n_heads", 2}, {"swiglu", true}, {"tied_head", true}, {"chunk_len", 16}});
  entry.examples = {{"", small}, {"two heads, swiglu, tied", heads}};
  return entry;
}

}  // namespace sublab
