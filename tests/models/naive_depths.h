// Mixture-of-Depths as its page writes it, one row at a time in fp64: no packing, no cache, no part
// of the program.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "models/language_model.h"

namespace sublab {

class NaiveDepths {
 public:
  NaiveDepths(const LanguageModel& model, const json& config, int64_t n_heads)
      : config_(config), n_heads_(n_heads) {
    for (const Parameter& each : model.parameters()) w_[each.name] = each.tensor.detach();
  }

  /// tokens [T] of one row -> [T, D], chosen as training does or as evaluation does.
  at::Tensor hidden(const at::Tensor& tokens, bool training) const {
    at::Tensor x = w_.at("model.embed_tokens.weight").index_select(0, tokens);
    const int64_t n = tokens.size(0);
    for (int64_t i = 0; i < config_.at("n_layers").get<int64_t>(); ++i) {
      const std::string layer = "model.layers." + std::to_string(i);
      if (!w_.count(layer + ".router.scorer.weight") && !is_routed(i)) {
        x = block(layer, x, at::arange(n));
        continue;
      }
      const at::Tensor r = at::mv(x, w_.at(layer + ".router.scorer.weight").flatten());
      std::vector<int64_t> chosen;
      for (int64_t t = 0; t < n; ++t)
        if (training ? among_highest(r, t) : decides(layer, x, r)[t].item<double>() > 0)
          chosen.push_back(t);
      if (chosen.empty()) continue;
      const at::Tensor places = at::tensor(chosen, at::kLong);
      const at::Tensor inside = x.index_select(0, places);
      const at::Tensor f = block(layer, inside, places) - inside;
      at::Tensor out = x.clone();
      for (size_t c = 0; c < chosen.size(); ++c)
        out[chosen[c]] +=
            weight(r.index_select(0, places), static_cast<int64_t>(c)) * f[static_cast<int64_t>(c)];
      x = out;
    }
    return norm(x, "model.norm");
  }

 private:
  bool is_routed(int64_t i) const {
    const json blocks = config_.value("routed_blocks", json("every_other"));
    if (blocks == "all") return true;
    if (blocks == "every_other") return i % 2 == 1;
    return std::find(blocks.begin(), blocks.end(), i) != blocks.end();
  }
  /// Fewer than K tokens stand before it in the order of scores; equal ones by place.
  bool among_highest(const at::Tensor& r, int64_t t) const {
    const double d = config_.at("retention"), own = r[t].item<double>();
    int64_t before = 0;
    for (int64_t u = 0; u < r.size(0); ++u) {
      const double other = r[u].item<double>();
      before += other > own || (other == own && u < t);
    }
    return before < static_cast<int64_t>(std::ceil(d * static_cast<double>(r.size(0)) - 1e-9));
  }
  at::Tensor decides(const std::string& layer, const at::Tensor& x, const at::Tensor& r) const {
    if (config_.value("decision", "") != "predictor") return r;
    const std::string at = layer + ".predictor.";
    const at::Tensor h = at::matmul(x, w_.at(at + "hidden.weight").t()) + w_.at(at + "hidden.bias");
    return (at::matmul(h * h.sigmoid(), w_.at(at + "out.weight").t()) + w_.at(at + "out.bias"))
        .flatten();
  }
  /// Of the c-th chosen token; r of the chosen.
  at::Tensor weight(const at::Tensor& r, int64_t c) const {
    const std::string gate = config_.value("gate", "raw");
    if (gate == "one") return at::ones({}, r.options());
    if (gate == "sigmoid") return 1 / (1 + (-r[c]).exp());
    if (gate == "softmax") return r[c].exp() / r.slice(0, 0, c + 1).exp().sum();
    return r[c];
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return x / (x.square().mean(1, true) + 1e-5).sqrt() * w_.at(name + ".weight");
  }
  at::Tensor map(const at::Tensor& x, const std::string& name) const {
    return at::matmul(x, w_.at(name + ".weight").t());
  }
  /// x [T, heads * K] -> [heads, T, K], rotated by `places`.
  at::Tensor rotated(const at::Tensor& x, const at::Tensor& places, int64_t heads) const {
    const at::Tensor split = x.reshape({x.size(0), heads, -1}).transpose(0, 1);
    const int64_t half = split.size(2) / 2;
    const at::Tensor frequency =
        at::pow(10000.0, -at::arange(half, x.options()) / static_cast<double>(half));
    const at::Tensor angle = places.to(x.scalar_type()).unsqueeze(1) * frequency;
    const at::Tensor a = split.slice(2, 0, half), b = split.slice(2, half);
    return at::cat({a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()}, 2);
  }
  at::Tensor block(const std::string& layer, const at::Tensor& x, const at::Tensor& places) const {
    const at::Tensor in = norm(x, layer + ".input_layernorm");
    const std::string attention = layer + ".self_attn.";
    const int64_t n_kv = config_.value("n_kv_heads", n_heads_);
    const at::Tensor q = rotated(map(in, attention + "q_proj"), places, n_heads_);
    const auto spread = [&](const at::Tensor& heads) {
      return heads.repeat_interleave(n_heads_ / n_kv, 0);
    };
    const at::Tensor k = spread(rotated(map(in, attention + "k_proj"), places, n_kv));
    const at::Tensor v = spread(
        map(in, attention + "v_proj").reshape({x.size(0), n_kv, -1}).transpose(0, 1).contiguous());
    at::Tensor logits =
        at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
    const at::Tensor later = at::ones({x.size(0), x.size(0)}, at::kBool).triu(1);
    const at::Tensor mixed =
        at::matmul(logits.masked_fill(later, -INFINITY).softmax(2), v).transpose(0, 1);
    const at::Tensor h = x + map(mixed.reshape({x.size(0), -1}), attention + "o_proj");
    const at::Tensor m = norm(h, layer + ".post_attention_layernorm");
    const at::Tensor gate = map(m, layer + ".mlp.gate_proj");
    return h +
           map(gate * gate.sigmoid() * map(m, layer + ".mlp.up_proj"), layer + ".mlp.down_proj");
  }

  json config_;
  int64_t n_heads_;
  std::map<std::string, at::Tensor> w_;
};

}  // namespace sublab
