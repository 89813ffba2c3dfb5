// No attention at all: an exponential moving average per channel, h_t = a h_{t-1} + (1 - a) u_t,
// between two linear maps, and a feed-forward part.
#pragma once

#include "models/parts/block.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

class MovingAverage : public Sketch {
 public:
  static constexpr int64_t kLayers = 2;

  explicit MovingAverage(int64_t vocab_size) : Sketch(vocab_size) {
    for (int64_t i = 0; i < kLayers; ++i) layers_.emplace_back("model.layers." + std::to_string(i));
  }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t) const override {
    auto out = std::make_unique<State>(n_rows);
    out->means.assign(kLayers * n_rows, at::zeros({kWidth}, ends_.options()));
    return out;
  }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* given,
                     const Run&) const override {
    const Rows& rows = *batch.rows;
    const auto fresh = given ? nullptr : new_state(rows.n_rows(), 0);
    auto& state = static_cast<State&>(given ? *given : *fresh);
    for (int64_t i = 0; i < kLayers; ++i) {
      const Layer& layer = layers_[i];
      const at::Tensor u = layer.in(layer.norm(x)), a = layer.decay.sigmoid();
      std::vector<at::Tensor> out{at::empty({0, kWidth}, x.options())};
      for (int64_t b = 0; b < rows.n_rows(); ++b) {
        at::Tensor& mean = state.means[i * rows.n_rows() + b];
        for (const at::Tensor& token : row_of(u, rows, b).unbind(0)) {
          mean = a * mean + (1 - a) * token;
          out.push_back(mean.unsqueeze(0));
        }
      }
      const auto [h, normed] = layer.mlp_norm.of_sum(x, layer.out(at::cat(out)));
      x = h + layer.mlp(normed);
    }
    if (given) given->advance(rows);
    return ends_.final_norm(x);
  }

 private:
  struct Layer {
    explicit Layer(const std::string& name)
        : name(name),
          norm(name + ".norm", kWidth, 1e-5, 1),
          in(name + ".in", kWidth, kWidth, 1),
          out(name + ".out", kWidth, kWidth, 1),
          decay(normal_parameter(name + ".decay", {kWidth}, 1, 1)),
          mlp_norm(name + ".mlp_norm", kWidth, 1e-5, 1),
          mlp(name + ".mlp", {.d_model = kWidth, .n_layers = kLayers, .d_ff = 48}, 1) {}
    std::string name;
    Norm norm;
    Linear in, out;
    at::Tensor decay;  // [D]
    Norm mlp_norm;
    SwigluLayer mlp;
  };
  struct State : DecodeState {
    explicit State(int64_t n_rows) : DecodeState(n_rows) {}
    State(const State& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
      const auto n = static_cast<int64_t>(of.lengths().size());
      for (int64_t i = 0; i < kLayers; ++i)
        for (const int64_t row : rows) means.push_back(of.means[i * n + row].clone());
    }
    int64_t n_bytes() const override { return bytes_of(means); }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<State>(*this, rows);
    }
    std::vector<at::Tensor> means;  // [layers, rows], each [D]
  };
  void add_middle(std::vector<Parameter>& out) const override {
    for (const Layer& layer : layers_) {
      layer.norm.add_parameters(out);
      out.push_back({layer.name + ".decay", layer.decay, 1.0, false});
      for (const Linear* map : {&layer.in, &layer.out}) map->add_parameters(out);
      layer.mlp_norm.add_parameters(out);
      layer.mlp.add_parameters(out);
    }
  }
  std::vector<Layer> layers_;
};

}  // namespace sublab
