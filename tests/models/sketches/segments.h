// One more memory per layer: attention inside segments of a few tokens, a linear memory of those
// before them, and a gate per head between the two. With s = elu + 1 and the layer's unrotated
// heads,
//
//   out = g s(q) M / (s(q) z) + (1 - g) attention in the segment;   a full segment: M += s(k)^T v.
#pragma once

#include "models/parts/block.h"
#include "models/parts/partial_attention.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

class Segments : public Sketch {
 public:
  static constexpr int64_t kSegment = 4, kLayers = 2, kHeads = 4, kHeadDim = 8;

  explicit Segments(int64_t vocab_size) : Sketch(vocab_size), rope_(plain_rope(kHeadDim, 1e4)) {
    for (int64_t i = 0; i < kLayers; ++i) layers_.emplace_back("model.layers." + std::to_string(i));
  }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t) const override {
    auto out = std::make_unique<State>(n_rows);
    const auto options = ends_.options();
    out->memories.assign(kLayers * n_rows, {at::zeros({kHeads, kHeadDim, kHeadDim + 1}, options),
                                            at::empty({0, kHeads, kHeadDim}, options),
                                            at::empty({0, kHeads, kHeadDim}, options),
                                            at::empty({0, kHeads, kHeadDim}, options)});
    return out;
  }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* given,
                     const Run& run) const override {
    const Rows& rows = *batch.rows;
    const auto fresh = given ? nullptr : new_state(rows.n_rows(), 0);
    auto& state = static_cast<State&>(given ? *given : *fresh);
    const RopeAngles angles =
        rope_->angles(rows.positions(), declared_length(run, given), ends_.options());
    for (int64_t i = 0; i < kLayers; ++i) {
      const Layer& layer = layers_[i];
      const AttentionHeads heads = layer.attention.heads(layer.norm(x));
      const at::Tensor q = angles.rotated(heads.q_NHK), k = angles.rotated(heads.k_NGK);
      std::vector<at::Tensor> out{at::empty({0, kHeads, kHeadDim}, x.options())};
      for (int64_t b = 0; b < rows.n_rows(); ++b)
        for (int64_t t = 0, n = 0; t < rows.length(b); t += n) {
          const int64_t place = (rows.start(b) + t) % kSegment, from = rows.begin(b) + t;
          n = std::min(kSegment - place, rows.length(b) - t);
          const auto part = [&](const at::Tensor& of) { return of.slice(0, from, from + n); };
          Memory& memory = state.memories[i * rows.n_rows() + b];
          memory.add(part(k), part(heads.k_NGK), part(heads.v_NGK));
          const at::Tensor near =
              attend_block(part(q), memory.k, memory.v, at::arange(place, place + n, at::kLong),
                           at::arange(place + n, at::kLong))
                  .out;
          const at::Tensor gate = layer.gate.sigmoid();
          out.push_back(gate * memory.recall(part(heads.q_NHK)) + (1 - gate) * near);
          if (place + n < kSegment) continue;
          memory.fold();
          if (run.activity) run.activity->count("segments_folded", 1, 1, {.layer = i});
        }
      const auto [h, normed] = layer.mlp_norm.of_sum(x, layer.attention.out(at::cat(out)));
      x = h + layer.mlp(normed);
    }
    if (given) given->advance(rows);
    return ends_.final_norm(x);
  }

 private:
  static BlockConfig sizes() {
    return {.d_model = kWidth,
            .n_layers = kLayers,
            .n_heads = kHeads,
            .n_kv_heads = kHeads,
            .head_dim = kHeadDim,
            .d_ff = 48};
  }
  struct Layer {
    explicit Layer(const std::string& name)
        : name(name),
          norm(name + ".norm", kWidth, 1e-5, 1),
          attention(name + ".attention", sizes(), 1),
          gate(normal_parameter(name + ".gate", {kHeads, 1}, 1, 1)),
          mlp_norm(name + ".mlp_norm", kWidth, 1e-5, 1),
          mlp(name + ".mlp", sizes(), 1) {}
    std::string name;
    Norm norm;
    AttentionLayer attention;
    at::Tensor gate;  // [H, 1]
    Norm mlp_norm;
    SwigluLayer mlp;
  };
  struct Memory {
    at::Tensor sums;           // [H, K, K + 1]: M, and z as its last column
    at::Tensor k, k_plain, v;  // the open segment, [tokens, H, K]
    static at::Tensor positive(const at::Tensor& x) { return (at::elu(x) + 1).transpose(0, 1); }
    void add(const at::Tensor& key, const at::Tensor& plain, const at::Tensor& value) {
      k = at::cat({k, key}), k_plain = at::cat({k_plain, plain}), v = at::cat({v, value});
    }
    at::Tensor recall(const at::Tensor& q) const {
      const at::Tensor both = at::bmm(positive(q), sums).transpose(0, 1);
      return both.slice(2, 0, kHeadDim) / both.slice(2, kHeadDim).clamp_min(1e-6);
    }
    void fold() {
      const at::Tensor values = at::constant_pad_nd(v, {0, 1}, 1).transpose(0, 1);
      sums = sums + at::bmm(positive(k_plain).transpose(1, 2), values);
      for (at::Tensor* part : {&k, &k_plain, &v}) *part = part->slice(0, 0, 0);
    }
  };
  struct State : DecodeState {
    explicit State(int64_t n_rows) : DecodeState(n_rows) {}
    State(const State& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
      const auto n = static_cast<int64_t>(of.lengths().size());
      for (int64_t i = 0; i < kLayers; ++i)
        for (const int64_t row : rows) {
          const Memory& from = of.memories[i * n + row];  // never changed in place
          memories.push_back({from.sums, from.k, from.k_plain, from.v});
        }
    }
    int64_t n_bytes() const override {
      int64_t sum = 0;
      for (const Memory& memory : memories)
        sum += bytes_of({memory.sums, memory.k, memory.k_plain, memory.v});
      return sum;
    }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<State>(*this, rows);
    }
    std::vector<Memory> memories;  // [layers, rows]
  };
  void add_middle(std::vector<Parameter>& out) const override {
    for (const Layer& layer : layers_) {
      layer.norm.add_parameters(out);
      layer.attention.add_parameters(out);
      out.push_back({layer.name + ".gate", layer.gate, 1.0, false});
      layer.mlp_norm.add_parameters(out);
      layer.mlp.add_parameters(out);
    }
  }
  std::unique_ptr<Rope> rope_;
  std::vector<Layer> layers_;
};

}  // namespace sublab
