// Zipformer against a form written from its equations.
#include <catch2/catch.hpp>

#include "tests/models/ladder_models.h"

using namespace sublab;

TEST_CASE("zipformer is what its equations say", "[numerics]") {
  at::manual_seed(6);
  at::NoGradGuard no_grad;
  json config = zipformer("1@1 2@3 1@2 0@5");
  config["stack_heads"] = {2, 4, 2, 2};
  const auto model = small_model(config, at::kDouble);
  for (Parameter& parameter : model->parameters())
    if (parameter.name.ends_with("downsample.bias") || parameter.name.ends_with("bypass_scale"))
      parameter.tensor.copy_(at::rand(parameter.tensor.sizes(), at::kDouble));
  const auto weight = [&](const std::string& name) { return parameter_of(*model, name); };
  const std::vector<std::array<int64_t, 3>> stacks = {{1, 1, 2}, {2, 3, 4}, {1, 2, 2}, {0, 5, 2}};
  for (const int64_t n : {1, 2, 11}) {
    const Batch batch = random_batch({n});
    at::Tensor x = model->embed(batch.tokens);
    std::vector<at::Tensor> outputs;
    for (size_t i = 0; i < stacks.size(); ++i) {
      const auto [layers, k, heads] = stacks[i];
      const std::string name = "model.stacks." + std::to_string(i);
      const int64_t width = 8 * heads, n_groups = (n + k - 1) / k;
      x = at::constant_pad_nd(x, {0, width - x.size(1)}, 0);  // negative: cut off
      const BlockConfig sizes{.n_heads = heads, .d_ff = 88 * heads / 4};
      if (k == 1) {
        x = through_blocks(*model, name + ".layers", layers, sizes, x, at::arange(n));
      } else {
        const at::Tensor w = weight(name + ".downsample.bias").softmax(0);
        CHECK(w.sum().item<double>() == Approx(1));
        at::Tensor y = at::zeros({n_groups, width}, at::kDouble);
        for (int64_t j = 0; j < n_groups; ++j)
          for (int64_t m = 0; m < k; ++m)
            y[j] += w[m] * x[std::max<int64_t>(j * k - (k - 1) + m, 0)];
        y = through_blocks(*model, name + ".layers", layers, sizes, y, at::arange(n_groups) * k);
        x = x + weight(name + ".bypass_scale") * (y.repeat_interleave(k, 0).slice(0, 0, n) - x);
      }
      outputs.push_back(x);
    }
    const at::Tensor all = at::cat({outputs[3], outputs[1].slice(1, 16)}, 1);
    const at::Tensor expected = rms_norm_naive(all, weight("model.norm.weight"), 1e-5);
    CHECK(max_difference(hidden_of(*model, batch), expected) < 1e-11);
    CHECK(max_difference(steps_of(*model, batch.tokens, std::vector<int64_t>(n, 1)), expected) <
          1e-11);
  }
}

TEST_CASE("a bypass of 0 leaves a stack out, one of 1 takes it alone", "[numerics]") {
  at::manual_seed(7);
  const auto llama =
      small_model({{"architecture", "llama"}, {"n_layers", 2}, {"n_kv_heads", 2}}, at::kDouble);
  const auto model = small_model(zipformer("2@1 3@4"), at::kDouble);
  {
    at::NoGradGuard no_grad;
    for (Parameter& parameter : model->parameters()) {
      std::string name = parameter.name;
      if (name.starts_with("model.stacks.1.")) continue;
      if (name.starts_with("model.stacks.0.")) name = "model." + name.substr(15);
      parameter.tensor.copy_(parameter_of(*llama, name));
    }
  }
  set_all(*model, "bypass_scale", 0);
  const Batch batch = random_batch({13, 4});
  CHECK(max_difference(hidden_of(*model, batch), hidden_of(*llama, batch)) < 1e-14);
  set_all(*model, "bypass_scale", 1);  // then what a group says is all that its tokens have
  const at::Tensor alone = hidden_of(*model, batch);
  CHECK(alone[4].equal(alone[7]));
  CHECK(max_difference(alone[3], alone[4]) > 1e-3);
  CHECK(max_difference(alone[7], alone[8]) > 1e-3);
}

TEST_CASE("equal weights of a group are its mean, and training holds the bypass", "[unit]") {
  const auto model = small_model(zipformer("1@1 1@4"), at::kDouble);
  const at::Tensor w = parameter_of(*model, "model.stacks.1.downsample.bias").softmax(0);
  CHECK(w.equal(at::full({4}, 0.25, at::kDouble)));
  struct Always : Coins {
    Always() : Coins(1, 0) {}
    bool flip(std::string_view, int64_t, double) const override { return true; }
  };
  const Always coins;
  const auto gradient = [&](const Coins* given) {
    Run run;
    run.mode = Mode::train;
    run.progress = 0;
    run.coins = given;
    at::manual_seed(8);
    for (const Parameter& parameter : model->parameters()) parameter.tensor.mutable_grad().reset();
    run_model(*model, random_batch({15}), nullptr, run).square().sum().backward();
    for (const Parameter& parameter : model->parameters())
      if (parameter.name == "model.stacks.1.bypass_scale") return parameter.tensor.grad().clone();
    throw std::runtime_error("no bypass");
  };
  const at::Tensor free = gradient(nullptr), held = gradient(&coins);
  CHECK(held.equal(-free.abs()));  // 0.5 is below 0.9: it may only grow
  CHECK_FALSE(free.equal(held));
}

TEST_CASE("causal groups look at nothing ahead, published ones at k-1 tokens", "[numerics]") {
  at::manual_seed(4);
  for (const int64_t k : {2, 3, 4, 8, 16}) {
    INFO(k);
    const std::string stacks = "1@1 1@" + std::to_string(k) + " 1@1";
    CHECK(leak_of(*small_model(zipformer(stacks), at::kDouble), 2 * k + 3) == 0);
    const auto published = small_model(zipformer(stacks, "zipformer_noncausal"), at::kDouble);
    CHECK(leak_of(*published, 2 * k + 3) == k - 1);
  }
}
