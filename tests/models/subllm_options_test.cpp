// What SUBLLM's options promise: rounding, positions, log-weight bias, schedules, grafting.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/lm_head.h"
#include "models/selection/ranking.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

json subllm(json extra, const std::string& structure = "T(T(TT)T)T") {
  extra["architecture"] = "subllm";
  extra["structure"] = structure;
  if (!extra.contains("scorer") || extra["scorer"] == "learned")
    extra["scorer"] = {{"type", "learned"}, {"init_std", 0.5}};
  return extra;
}

/// Kept tokens per module and row of a training pass.
std::vector<std::vector<int64_t>> kept_counts(const LanguageModel& model, const Batch& batch,
                                              double progress = 1) {
  RecordedKeeps keeps;
  Run run;
  run.mode = Mode::train;
  run.progress = progress;
  run.recorded = &keeps;
  run_model(model, batch, nullptr, run);
  std::vector<std::vector<int64_t>> out;
  for (const auto& module : keeps.decided) {
    out.emplace_back();
    for (const auto& row : module)
      out.back().push_back(std::count(row.begin(), row.end(), uint8_t{1}));
  }
  return out;
}

/// Coins that all fall the same way and remember the probabilities they were asked for.
struct AskedCoins : Coins {
  AskedCoins() : Coins(0, 0) {}
  bool flip(std::string_view name, int64_t, double p) const override {
    asked[std::string(name)] = p;
    return true;
  }
  mutable std::map<std::string, double> asked;
};

}  // namespace

TEST_CASE("rounding decides how many of an uneven row are kept", "[unit]") {
  CHECK(kept_tokens(10, 0.64, Rounding::ceil) == 7);
  CHECK(kept_tokens(10, 0.64, Rounding::floor) == 6);
  CHECK(kept_tokens(10, 0.64, Rounding::round) == 6);
  CHECK(kept_tokens(11, 0.5, Rounding::round) == 6);
  CHECK(kept_tokens(25, 0.64, Rounding::floor) == 16);
  CHECK(kept_tokens(1, 0.64, Rounding::floor) == 0);
  at::manual_seed(1);
  const Batch batch = random_batch({10, 1, 11});
  using Counts = std::vector<std::vector<int64_t>>;
  const auto counts = [&](const char* rounding) {
    return kept_counts(
        *small_model(subllm({{"train_selector", {{"rounding", rounding}}}, {"retention", 0.64}})),
        batch);
  };
  CHECK(counts("ceil") == Counts{{7, 1, 8}, {5, 1, 6}});
  CHECK(counts("floor") == Counts{{6, 0, 7}, {3, 0, 4}});
  CHECK(counts("round") == Counts{{6, 1, 7}, {4, 1, 4}});
}

TEST_CASE("level_local positions are places in the parent level", "[unit]") {
  const RowsPtr rows = Rows::with_positions({4, 3}, {10, 0}, at::arange(50, 57, at::kLong));
  const at::Tensor index = at::tensor(std::vector<int64_t>{1, 3, 4, 6}, at::kLong);
  CHECK(rows->keep(index, {2, 2}, {0, 0})
            ->positions()
            .equal(at::tensor(std::vector<int64_t>{51, 53, 54, 56}, at::kLong)));
  CHECK(rows->keep_places(index, {2, 2}, {0, 0})
            ->positions()
            .equal(at::tensor(std::vector<int64_t>{11, 13, 0, 2}, at::kLong)));
}

TEST_CASE("positions differ from level 2 on only", "[numerics]") {
  at::manual_seed(2);
  const Batch batch = random_batch({30, 7});
  const auto run = [&](const char* positions, const char* structure) {
    return run_model(*small_model(subllm({{"positions", positions}}, structure), at::kDouble),
                     batch, nullptr, Run{});
  };
  CHECK(run("composed", "T(TT)T(T)").equal(run("level_local", "T(TT)T(T)")));
  CHECK(max_difference(run("composed", "T(T(TT)T)T"), run("level_local", "T(T(TT)T)T")) > 1e-6);
}

TEST_CASE("the log-weight bias is what an additive mask gives", "[numerics]") {
  // One module at the front of one block: its keys are the kept tokens, its logits those of plain
  // attention plus log(w + 0.001) of the key.
  at::manual_seed(3);
  const auto biased =
      small_model(subllm({{"attention_log_weight", true}, {"n_heads", 2}}, "(T)"), at::kDouble);
  const auto plain = small_model(subllm({{"n_heads", 2}}, "(T)"), at::kDouble);
  struct Seen : Observer {
    void selected(int64_t, const at::Tensor&, const Rows&, const at::Tensor& i,
                  const at::Tensor& w) override {
      index = i, weights = w;
    }
    at::Tensor index, weights;
  } seen;
  const Batch batch = random_batch({19});
  Run run;
  run.observer = &seen;
  at::NoGradGuard no_grad;
  const at::Tensor with_bias = run_model(*biased, batch, nullptr, run);
  CHECK(max_difference(with_bias, run_model(*plain, batch, nullptr, Run{})) > 1e-6);
  std::map<std::string, at::Tensor> w;
  for (const Parameter& parameter : biased->parameters()) w[parameter.name] = parameter.tensor;
  const std::string at = "model.layers.0.";
  const at::Tensor all = at::embedding(w["model.embed_tokens.weight"], batch.tokens);
  const at::Tensor x = all.index_select(0, seen.index);
  const int64_t n = x.size(0);
  const auto norm = [](const at::Tensor& v, const at::Tensor& g) {
    return v * (v.square().mean(-1, true) + 1e-5).rsqrt() * g;
  };
  const auto heads = [&](const at::Tensor& v) { return v.view({n, 2, 16}).transpose(0, 1); };
  const at::Tensor frequency =
      at::pow(10000.0, -at::arange(0, 16, 2, at::kLong).to(at::kDouble) / 16);
  const at::Tensor angle = at::outer(seen.index.to(at::kDouble), frequency);
  const auto turn = [&](const at::Tensor& v) {
    const auto half = v.chunk(2, -1);
    return at::cat({half[0] * angle.cos() - half[1] * angle.sin(),
                    half[1] * angle.cos() + half[0] * angle.sin()},
                   -1);
  };
  const auto mul = [&](const at::Tensor& v, const char* name) {
    return at::linear(v, w[at + name + ".weight"]);
  };
  const at::Tensor h = norm(x, w[at + "input_layernorm.weight"]);
  const at::Tensor q = turn(heads(mul(h, "self_attn.q_proj"))),
                   k = turn(heads(mul(h, "self_attn.k_proj"))),
                   v = heads(mul(h, "self_attn.v_proj"));
  at::Tensor logits = at::matmul(q, k.transpose(1, 2)) / 4 + (seen.weights + 1e-3).log();
  logits = logits.masked_fill(at::ones({n, n}, at::kBool).triu(1), -INFINITY);
  const at::Tensor attended = at::matmul(logits.softmax(-1), v).transpose(0, 1).reshape({n, 32});
  const at::Tensor y = x + mul(attended, "self_attn.o_proj");
  const at::Tensor g = norm(y, w[at + "post_attention_layernorm.weight"]);
  const at::Tensor out =
      y + mul(at::silu(mul(g, "mlp.gate_proj")) * mul(g, "mlp.up_proj"), "mlp.down_proj");
  const at::Tensor returned =
      all.index_add(0, seen.index, 0.5 * seen.weights.unsqueeze(1) * (out - x));
  CHECK(max_difference(with_bias, norm(returned, w["model.norm.weight"])) < 1e-11);
}

TEST_CASE("retention falls over its ramp, in training only", "[unit]") {
  at::manual_seed(1);
  const auto model = small_model(subllm({{"retention", 0.5}, {"retention_ramp", 0.5}}, "T(T)"));
  const Batch batch = random_batch({40});
  CHECK(kept_counts(*model, batch, 0)[0][0] == 40);
  CHECK(kept_counts(*model, batch, 0.25)[0][0] == 30);
  CHECK(kept_counts(*model, batch, 0.5)[0][0] == 20);
  CHECK(kept_counts(*model, batch, 1)[0][0] == 20);
}

TEST_CASE("schedules run over the run, or over the paper's steps", "[unit]") {
  at::manual_seed(1);
  const Batch batch = random_batch({20});
  const auto balancer_probability = [&](const char* schedule, double progress, int64_t step) {
    const auto model =
        small_model(subllm({{"schedule", schedule}, {"preset", "published"}}, "T(T)"));
    const AskedCoins coins;
    Run run;
    run.mode = Mode::train;
    run.progress = progress;
    run.step = step;
    run.coins = &coins;
    run_model(*model, batch, nullptr, run);
    CHECK(coins.asked.at("discard_flip") == 0.5);
    CHECK(coins.asked.at("bypass_limit") == 0.6);
    return coins.asked.at("balancer");
  };
  CHECK(balancer_probability("fractions", 0, 0) == 1);
  CHECK(balancer_probability("fractions", 0.1, 0) == Approx(0.625));
  CHECK(balancer_probability("fractions", 0.9, 0) == 0.25);
  CHECK(balancer_probability("paper_steps", 0.9, 0) == 1);
  CHECK(balancer_probability("paper_steps", 0.1, 4000) == Approx(0.625));
  CHECK(balancer_probability("paper_steps", 0.1, 9000) == 0.25);
}

TEST_CASE("modules put into a dense model leave its function as it was", "[numerics]") {
  at::manual_seed(4);
  const auto dense = small_model({{"architecture", "llama"}, {"n_layers", 6}}, at::kDouble);
  for (const char* structure : {"T(T(TT)T)T", "(T)T(TTT)T"}) {
    const auto grafted =
        small_model({{"architecture", "subllm"}, {"structure", structure}}, at::kDouble);
    grafted->graft(copy_shared_weights(*dense, *grafted, "test"), "test");
    const Batch batch = random_batch({25, 1, 8});
    CHECK(max_difference(run_model(*dense, batch, nullptr, Run{}),
                         run_model(*grafted, batch, nullptr, Run{})) < 1e-12);
    // The scorer can learn: gradients reach it.
    Run train;
    train.mode = Mode::train;
    lm_loss(run_model(*grafted, batch, nullptr, train), grafted->head_weight(), batch.tokens, 34)
        .backward();
    for (const Parameter& parameter : grafted->parameters()) {
      INFO(parameter.name);
      CHECK(parameter.tensor.grad().abs().sum().item<double>() > 0);
    }
  }
  const auto other = small_model({{"architecture", "llama"}, {"n_layers", 5}});
  const auto target = small_model({{"architecture", "llama"}, {"n_layers", 6}});
  CHECK_THROWS_WITH(target->graft(copy_shared_weights(*other, *target, "ckpt"), "ckpt"),
                    Contains("ckpt: has no tensor model.layers.5"));
  CHECK_THROWS_WITH(copy_shared_weights(*target, *other, "ckpt"),
                    Contains("that this configuration has not"));
}

TEST_CASE("options without effect are refused", "[unit]") {
  const auto refuses = [](json given, const std::string& why) {
    given["architecture"] = "subllm";
    INFO(given.dump());
    CHECK_THROWS_WITH(small_model(given), Contains(why));
  };
  refuses({{"scorer", {{"type", "random"}, {"init_std", 0.1}}}},
          "has no settings, so no 'init_std'");
  refuses({{"gate", "one"}, {"balancer_strength", 0.1}}, "has no effect with gate one");
  refuses({{"gate", "one"}, {"balancer", "loss"}}, "has no effect with gate one");
  refuses({{"balancer", "loss"}}, "has no effect with balancer_strength 0");
  refuses({{"balancer_min_abs", 0.5}}, "has no effect with balancer_strength 0");
  refuses({{"scorer", "stride"}, {"attention_log_weight", true}}, "has no effect with gate one");
  refuses({{"gate", "raw"}, {"attention_log_weight", true}}, "which gate raw lets be negative");
  refuses({{"schedule", "paper_steps"}, {"bypass_ramp", 0.1}}, "has no effect with schedule");
  refuses({{"structure", "TT"}, {"retention", 0.5}}, "has no effect in a structure without '('");
  refuses({{"train_scorer", "random"}, {"train_selector", "top_k_discard"}}, "no train_scorer");
  refuses({{"scorer", "random"}, {"train_scorer", "learned"}}, "learns through the gate");
  refuses({{"train_selector", {{"rounding", "up"}}}}, "/model/train_selector/rounding");
}
