// The same model from LibTorch's plain operators, as a peer for speed.
#include "bench/peers/straightforward_llama.h"

#include <torch/nn.h>
#include <torch/optim/adamw.h>

#include <cmath>

namespace sublab {
namespace {

namespace nn = torch::nn;

nn::Linear linear(int64_t in, int64_t out) {
  return nn::Linear(nn::LinearOptions(in, out).bias(false));
}

struct RmsNormImpl : nn::Module {
  explicit RmsNormImpl(int64_t d) { weight = register_parameter("weight", torch::ones({d})); }
  at::Tensor forward(const at::Tensor& x) {
    return weight * (x * torch::rsqrt(x.pow(2).mean(-1, true) + 1e-5));
  }
  at::Tensor weight;
};
TORCH_MODULE(RmsNorm);

at::Tensor rotate_half(const at::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return torch::cat({-halves[1], halves[0]}, -1);
}

struct AttentionImpl : nn::Module {
  AttentionImpl(int64_t d, int64_t n_heads) : heads(n_heads) {
    q = register_module("q", linear(d, d));
    k = register_module("k", linear(d, d));
    v = register_module("v", linear(d, d));
    o = register_module("o", linear(d, d));
  }
  at::Tensor forward(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    const auto split = [&](const at::Tensor& y) {
      return y.view({y.size(0), y.size(1), heads, -1}).transpose(1, 2);
    };
    at::Tensor query = split(q(x)), key = split(k(x));
    query = query * cos + rotate_half(query) * sin;
    key = key * cos + rotate_half(key) * sin;
    const at::Tensor out =
        at::scaled_dot_product_attention(query, key, split(v(x)), {}, 0.0, /*is_causal=*/true);
    return o(out.transpose(1, 2).reshape(x.sizes()));
  }
  int64_t heads;
  nn::Linear q{nullptr}, k{nullptr}, v{nullptr}, o{nullptr};
};
TORCH_MODULE(Attention);

struct BlockImpl : nn::Module {
  BlockImpl(int64_t d, int64_t n_heads, int64_t f) {
    attention_norm = register_module("attention_norm", RmsNorm(d));
    attention = register_module("attention", Attention(d, n_heads));
    mlp_norm = register_module("mlp_norm", RmsNorm(d));
    gate = register_module("gate", linear(d, f));
    up = register_module("up", linear(d, f));
    down = register_module("down", linear(f, d));
  }
  at::Tensor forward(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    const at::Tensor h = x + attention(attention_norm(x), cos, sin);
    const at::Tensor n = mlp_norm(h);
    return h + down(torch::silu(gate(n)) * up(n));
  }
  RmsNorm attention_norm{nullptr}, mlp_norm{nullptr};
  Attention attention{nullptr};
  nn::Linear gate{nullptr}, up{nullptr}, down{nullptr};
};
TORCH_MODULE(Block);

struct ModelImpl : nn::Module {
  explicit ModelImpl(const StraightforwardShape& shape) : head_dim(shape.d_model / shape.n_heads) {
    embedding = register_module("embedding", nn::Embedding(shape.vocab_size, shape.d_model));
    for (int64_t i = 0; i < shape.n_layers; ++i)
      blocks->push_back(Block(shape.d_model, shape.n_heads, shape.d_ff));
    register_module("blocks", blocks);
    norm = register_module("norm", RmsNorm(shape.d_model));
    head = register_module("head", linear(shape.d_model, shape.vocab_size));
  }
  at::Tensor forward(const at::Tensor& tokens) {
    const at::Tensor frequency =
        1.0 / torch::pow(10000.0, torch::arange(0, head_dim, 2, torch::kFloat) / head_dim);
    const at::Tensor angle = torch::outer(torch::arange(tokens.size(1), torch::kFloat), frequency);
    const at::Tensor both = torch::cat({angle, angle}, -1), cos = both.cos(), sin = both.sin();
    at::Tensor x = embedding(tokens);
    for (const auto& block : *blocks) x = block->as<Block>()->forward(x, cos, sin);
    return head(norm(x));
  }
  int64_t head_dim;
  nn::Embedding embedding{nullptr};
  nn::ModuleList blocks;
  RmsNorm norm{nullptr};
  nn::Linear head{nullptr};
};
TORCH_MODULE(Model);

}  // namespace

struct StraightforwardLlama::Parts {
  explicit Parts(const StraightforwardShape& shape)
      : model(shape),
        optimizer(model->parameters(),
                  torch::optim::AdamWOptions(1e-4).betas({0.9, 0.95}).weight_decay(0.1)) {}
  Model model;
  torch::optim::AdamW optimizer;
};

StraightforwardLlama::StraightforwardLlama(const StraightforwardShape& shape)
    : parts_(std::make_unique<Parts>(shape)) {}
StraightforwardLlama::~StraightforwardLlama() = default;

double StraightforwardLlama::train_step(const at::Tensor& tokens, const at::Tensor& labels) {
  parts_->optimizer.zero_grad();
  const at::Tensor logits = parts_->model(tokens);
  const at::Tensor loss =
      at::cross_entropy_loss(logits.view({-1, logits.size(-1)}), labels.view({-1}));
  loss.backward();
  nn::utils::clip_grad_norm_(parts_->model->parameters(), 1.0);
  parts_->optimizer.step();
  return loss.item<double>();
}

int64_t StraightforwardLlama::n_parameters() const {
  int64_t sum = 0;
  for (const at::Tensor& parameter : parts_->model->parameters()) sum += parameter.numel();
  return sum;
}

}  // namespace sublab
