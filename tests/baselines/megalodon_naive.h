// MEGALODON and MEGA as their pages say (docs/architectures.md): one row, token by token, from a
// checkpoint's tensors by name. The truth that the models are tested against.
#pragma once

#include <cmath>
#include <map>

#include "core/fields.h"
#include "models/language_model.h"

namespace sublab::megalodon_naive {

struct Weights {
  explicit Weights(const LanguageModel& model) {
    for (const Parameter& each : model.parameters()) by_name[each.name] = each.tensor.detach();
  }
  const at::Tensor& operator[](const std::string& name) const { return by_name.at(name); }
  at::Tensor map(const std::string& name, const at::Tensor& x) const {
    const at::Tensor y = at::matmul(x, (*this)[name + ".weight"].t());
    const auto bias = by_name.find(name + ".bias");
    return bias == by_name.end() ? y : y + bias->second;
  }
  std::map<std::string, at::Tensor> by_name;
};

/// x [T, D]; the moments of each prefix, computed anew.
inline at::Tensor timestep_norm(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, int64_t groups, double epsilon) {
  std::vector<at::Tensor> out;
  for (int64_t t = 0; t < x.size(0); ++t) {
    const at::Tensor seen = x.slice(0, 0, t + 1).view({t + 1, groups, -1});
    const at::Tensor mean = seen.mean(at::IntArrayRef({0, 2}), true);  // [1, G, 1]
    const at::Tensor variance = (seen - mean).square().mean(at::IntArrayRef({0, 2}), true);
    out.push_back(((seen[t] - mean[0]) / (variance[0] + epsilon).sqrt()).flatten());
  }
  return at::stack(out) * (weight + 1) + bias;
}

/// y_t = Re sum_n c_n h_n, h_n = q_n h_n + p_n x_t; all [D, S], complex or real.
inline at::Tensor recurrence(const at::Tensor& q, const at::Tensor& p, const at::Tensor& c,
                             const at::Tensor& x) {
  at::Tensor h = at::zeros_like(q);
  std::vector<at::Tensor> out;
  for (const at::Tensor& token : x.unbind(0)) {
    h = q * h + p * token.unsqueeze(1);
    const at::Tensor y = (c * h).sum(1);
    out.push_back(y.is_complex() ? at::real(y) : y);
  }
  return at::stack(out);
}

/// Pairs (i, i + Z/2) of x [T, Z] turned by their place.
inline at::Tensor turned(const at::Tensor& x, const at::Tensor& places, double base) {
  const int64_t half = x.size(1) / 2;
  const at::Tensor frequency =
      at::pow(base, at::arange(half, x.options()) * (-1.0 / static_cast<double>(half)));
  const at::Tensor angle = places.unsqueeze(1) * frequency;
  const at::Tensor a = x.slice(1, 0, half), b = x.slice(1, half);
  return at::cat({a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()}, 1);
}

/// logits [T, T] -> attention over v [T, E] inside chunks.
inline at::Tensor in_chunks(const at::Tensor& logits, const at::Tensor& v, int64_t chunk) {
  std::vector<at::Tensor> out;
  for (int64_t t = 0; t < v.size(0); ++t) {
    const int64_t first = t / chunk * chunk;
    out.push_back(
        at::matmul(logits[t].slice(0, first, t + 1).softmax(0), v.slice(0, first, t + 1)));
  }
  return at::stack(out);
}

inline at::Tensor rms(const at::Tensor& x, double epsilon) {
  return x / (x.square().mean(-1, true) + epsilon).sqrt();
}

inline at::Tensor layer_norm(const at::Tensor& x, double epsilon) {
  const at::Tensor centred = x - x.mean(-1, true);
  return centred / (centred.square().mean(-1, true) + epsilon).sqrt();
}

inline at::Tensor cema(const Weights& w, const std::string& name, const at::Tensor& x) {
  const at::Tensor alpha = w[name + ".alpha"].sigmoid(), delta = w[name + ".delta"].sigmoid();
  const auto s = static_cast<double>(alpha.size(1));
  const at::Tensor theta = w[name + ".theta"].sigmoid().unsqueeze(1) *
                           (at::arange(1, alpha.size(1) + 1, x.options()) * (2 * M_PI / s));
  const at::Tensor gamma = at::view_as_complex(w[name + ".gamma"].contiguous()) / std::sqrt(s);
  return recurrence(at::polar(1 - alpha * delta, theta), alpha, gamma, x) + x * w[name + ".omega"];
}

inline at::Tensor megalodon(const LanguageModel& model, const json& config,
                            const at::Tensor& tokens) {
  const Weights w(model);
  const double epsilon = config.at("norm_epsilon");
  const int64_t heads = config.at("n_heads"), z_dim = config.at("z_dim"),
                groups = config.at("norm_groups");
  const int64_t width = z_dim / heads, v_width = config.at("v_dim").get<int64_t>() / heads;
  const int64_t chunk = config.at("chunk_len"), n = tokens.size(0);
  const auto norm = [&](const std::string& name, const at::Tensor& x) {
    return timestep_norm(x, w[name + ".weight"], w[name + ".bias"], groups, epsilon);
  };
  at::Tensor x = w["model.embed_tokens.weight"].index_select(0, tokens);
  if (config.at("scale_embedding")) x = x * std::sqrt(config.at("d_model").get<double>());
  const at::Tensor places = at::arange(n, x.options()).remainder(chunk);
  for (int64_t i = 0; i < config.at("n_layers"); ++i) {
    const std::string at = "model.layers." + std::to_string(i);
    const at::Tensor t = norm(at + ".timestep_norm", x);
    const at::Tensor m = rms(cema(w, at + ".cema", t), epsilon) * (w[at + ".cema_norm.weight"] + 1);
    const at::Tensor z = rms(w.map(at + ".z_proj", m).view({n, heads, width}), epsilon) /
                         std::sqrt(static_cast<double>(width));
    const at::Tensor v = at::silu(w.map(at + ".v_proj", t)), r = at::silu(w.map(at + ".r_proj", m));
    std::vector<at::Tensor> attended;
    for (int64_t h = 0; h < heads; ++h) {
      const auto of = [&](int64_t which) {
        const auto own = [&](const char* name) {
          return w[at + name][which].slice(0, h * width, (h + 1) * width);
        };
        return turned(z.select(1, h) * (own(".qk_gain") + 1) + own(".qk_offset"), places,
                      config.at("rope_theta"));
      };
      attended.push_back(in_chunks(at::matmul(of(0), of(1).t()),
                                   v.slice(1, h * v_width, (h + 1) * v_width), chunk));
    }
    const at::Tensor y =
        w.map(at + ".h_proj", m) + w.map(at + ".o_proj", at::cat(attended, 1) * r) + x;
    const at::Tensor u =
        layer_norm(y, epsilon) * (w[at + ".mlp_norm.weight"] + 1) + w[at + ".mlp_norm.bias"];
    at::Tensor inner = at::silu(w.map(at + ".mlp.fc1", u));
    if (config.at("swiglu")) inner = inner * w.map(at + ".mlp.fc3", u);
    x = w.map(at + ".mlp.fc2", inner) + x;
  }
  return norm("model.norm", x);
}

inline at::Tensor mega(const LanguageModel& model, const json& config, const at::Tensor& tokens) {
  const Weights w(model);
  const double epsilon = config.at("norm_epsilon");
  const int64_t d = config.at("d_model"), z_dim = config.at("z_dim"), e = config.at("v_dim");
  const int64_t n = tokens.size(0);
  const auto norm = [&](const std::string& name, const at::Tensor& x) {
    return layer_norm(x, epsilon) * w[name + ".weight"] + w[name + ".bias"];
  };
  at::Tensor x = w["model.embed_tokens.weight"].index_select(0, tokens);
  if (config.at("scale_embedding")) x = x * std::sqrt(static_cast<double>(d));
  const at::Tensor places =
      at::arange(n, x.options()).remainder(config.at("chunk_len").get<int64_t>());
  for (int64_t i = 0; i < config.at("n_layers"); ++i) {
    const std::string at = "model.layers." + std::to_string(i);
    const at::Tensor t = norm(at + ".norm", x);
    const at::Tensor alpha = w[at + ".ema.alpha"].sigmoid(), p = w[at + ".ema.delta"].sigmoid();
    const at::Tensor gamma = w[at + ".ema.gamma"] / std::sqrt(static_cast<double>(alpha.size(1)));
    const at::Tensor m = at::silu(recurrence(1 - p * alpha, p * w[at + ".ema.beta"], gamma, t) +
                                  t * w[at + ".ema.omega"]);
    const at::Tensor v = at::silu(w.map(at + ".v_proj", t)), base = w.map(at + ".mx_proj", m);
    const at::Tensor u = base.slice(1, 0, d).sigmoid(), z = at::silu(base.slice(1, d, d + z_dim));
    const at::Tensor r = at::silu(base.slice(1, d + z_dim, d + z_dim + e));
    const auto of = [&](int64_t which) {
      return z * w[at + ".qk_gain"][which] + w[at + ".qk_offset"][which];
    };
    const auto bias = [&](int64_t which) {
      return turned(w[at + ".rotary_bias"][which].unsqueeze(0).repeat({n, 1}), places, 10000);
    };
    const at::Tensor logits = at::matmul(of(0), of(1).t()) / std::sqrt(static_cast<double>(z_dim)) +
                              at::matmul(bias(0), bias(1).t());
    const at::Tensor attended = in_chunks(logits, v, config.at("chunk_len"));
    const at::Tensor h =
        at::silu(base.slice(1, d + z_dim + e) + w.map(at + ".o_proj", attended * r));
    const at::Tensor y = u * h + (1 - u) * x;
    x = y + w.map(at + ".mlp.fc2", at::silu(w.map(at + ".mlp.fc1", norm(at + ".mlp_norm", y))));
  }
  return norm("model.norm", x);
}

}  // namespace sublab::megalodon_naive
