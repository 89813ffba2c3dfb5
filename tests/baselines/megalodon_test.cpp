// MEGALODON and MEGA: the models against their definitions, their state, their initial weights and
// what they refuse.
#include <catch2/catch.hpp>

#include "tests/baselines/megalodon_naive.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::vector<ModelCase> cases() {
  std::vector<ModelCase> out;
  for (const ModelCase& each : model_cases(tree_catalog()))
    if (each.entry->name == "megalodon" || each.entry->name == "mega") out.push_back(each);
  return out;
}

json small(const std::string& name, const json& changes = json::object()) {
  json out = {{"n_layers", 2}, {"d_model", 32}, {"chunk_len", 8}, {"ema_dim", 4}};
  out.update(changes);
  const ArchitectureEntry& entry = tree_catalog().architecture(name, "test");
  return entry.resolve(out, "/model", tree_catalog().parts);
}

std::unique_ptr<LanguageModel> model_of(const std::string& name, const json& config,
                                        at::ScalarType dtype = at::kDouble) {
  auto model =
      tree_catalog().architecture(name, "test").make(config, kSmallVocab, 1, tree_catalog().parts);
  if (dtype != at::kFloat) convert_model(*model, dtype);
  return model;
}

void add_noise(const LanguageModel& model) {
  at::NoGradGuard no_grad;
  for (const Parameter& each : model.parameters())
    each.tensor.add_(at::randn(each.tensor.sizes(), each.tensor.options()) * 0.3);
}

at::Tensor parameter(const LanguageModel& model, const std::string& name) {
  for (const Parameter& each : model.parameters())
    if (each.name == name) return each.tensor;
  FAIL("no parameter " << name);
  return {};
}

}  // namespace

TEST_CASE("megalodon and mega are what their equations say", "[numerics]") {
  at::manual_seed(1);
  at::NoGradGuard no_grad;
  for (const ModelCase& each : cases()) {
    INFO(each.name);
    const auto model = model_of(each.entry->name, each.config);
    add_noise(*model);
    const Batch batch = random_batch({21, 1, 16, 21});
    const at::Tensor got = run_model(*model, batch, nullptr, Run{});
    for (int64_t b = 0; b < batch.rows->n_rows(); ++b) {
      const int64_t begin = batch.rows->begin(b), end = begin + batch.rows->length(b);
      const at::Tensor tokens = batch.tokens.slice(0, begin, end);
      const at::Tensor truth = each.entry->name == "mega"
                                   ? megalodon_naive::mega(*model, each.config, tokens)
                                   : megalodon_naive::megalodon(*model, each.config, tokens);
      CHECK(max_difference(got.slice(0, begin, end), truth) < 1e-9);
    }
  }
}

TEST_CASE("rows in any order, split anywhere, give what whole rows give", "[contract]") {
  at::manual_seed(2);
  at::NoGradGuard no_grad;
  for (const ModelCase& each : cases()) {
    INFO(each.name);
    const auto model = model_of(each.entry->name, each.config);
    const Batch batch = random_batch({37, 20});
    const at::Tensor whole = run_model(*model, batch, nullptr, Run{});
    const at::Tensor order = at::cat({at::randperm(37), at::randperm(20) + 37});
    const Batch other = {batch.tokens.index_select(0, order), batch.rows->permuted(order), {}};
    CHECK(max_difference(run_model(*model, other, nullptr, Run{}), whole.index_select(0, order)) <
          1e-10);
    const at::Tensor some = at::tensor({0, 2}, at::kLong);
    CHECK_THROWS_AS(
        run_model(*model, {batch.tokens.slice(0, 0, 2), batch.rows->arranged(some, {2, 0}), {}},
                  nullptr, Run{}),
        Unsupported);
    const auto state = model->new_state(2, 4);
    Run run;
    run.mode = Mode::step;
    int64_t a = 0, b = 37;
    for (const auto& [first, second] : std::vector<std::pair<int64_t, int64_t>>{
             {3, 0}, {0, 9}, {7, 1}, {1, 1}, {20, 9}, {6, 0}}) {
      const at::Tensor tokens =
          at::cat({batch.tokens.slice(0, a, a + first), batch.tokens.slice(0, b, b + second)});
      const at::Tensor got =
          run_model(*model, continue_rows(*state, tokens, {first, second}), state.get(), run);
      CHECK(max_difference(got, at::cat({whole.slice(0, a, a + first),
                                         whole.slice(0, b, b + second)})) < 1e-10);
      a += first, b += second;
    }
  }
}

TEST_CASE("a decode state does not grow beyond one chunk", "[contract]") {
  at::NoGradGuard no_grad;
  for (const char* name : {"megalodon", "mega"}) {
    const json config = small(name);
    const auto model = model_of(name, config, at::kFloat);
    const auto state = model->new_state(1, 4);
    const int64_t empty = state->n_bytes();
    Run run;
    run.mode = Mode::step;
    const int64_t per_token = config.at("z_dim").get<int64_t>() + config.at("v_dim").get<int64_t>();
    for (int64_t t = 1; t <= 70; ++t) {
      run_model(*model, continue_rows(*state, at::zeros({1}, at::kLong), {1}), state.get(), run);
      CHECK(state->n_bytes() == empty + 2 * per_token * (t % 8) * 4);
    }
    Ledger ledger;
    model->add_cost(CostShape::decode(1, 69), ledger);
    CHECK(ledger.cache_bytes() == Approx(static_cast<double>(state->n_bytes())).epsilon(0.02));
  }
}

TEST_CASE("without a feed-forward part nothing of a megalodon block is left: two hops",
          "[numerics]") {
  at::manual_seed(3);
  at::NoGradGuard no_grad;
  const json config = small("megalodon");
  const auto model = model_of("megalodon", config);
  for (const char* layer : {"0", "1"})
    parameter(*model, "model.layers." + std::string(layer) + ".mlp.fc2.weight").zero_();
  const Batch batch = random_batch({13});
  const at::Tensor expected =
      megalodon_naive::timestep_norm(model->embed(batch.tokens), at::zeros({32}, at::kDouble),
                                     at::zeros({32}, at::kDouble), config.at("norm_groups"), 1e-5);
  CHECK(max_difference(run_model(*model, batch, nullptr, Run{}), expected) < 1e-12);
}

TEST_CASE("queries and keys of megalodon are directions: their size does not matter",
          "[numerics]") {
  at::manual_seed(4);
  at::NoGradGuard no_grad;
  const auto model = model_of("megalodon", small("megalodon", {{"norm_epsilon", 0}}));
  const Batch batch = random_batch({13});
  const at::Tensor before = run_model(*model, batch, nullptr, Run{});
  for (const char* name : {"weight", "bias"})
    parameter(*model, "model.layers.0.z_proj." + std::string(name)).mul_(7);
  CHECK(max_difference(run_model(*model, batch, nullptr, Run{}), before) < 1e-12);
}

TEST_CASE("a chunk that a row never leaves is inactive", "[contract]") {
  at::NoGradGuard no_grad;
  for (const char* name : {"megalodon", "mega"})
    for (const int64_t chunk : {8, 20, 64}) {
      const auto model = model_of(name, small(name, {{"chunk_len", chunk}}));
      const Batch batch = random_batch({20, 5});
      Activity whole, steps;
      Run run;
      run.activity = &whole;
      run_model(*model, batch, nullptr, run);
      CHECK(whole.total("chunks_passed").n == (chunk == 8 ? 2 * 2 : 0));
      CHECK(whole.total("chunks_passed").of == 2 * (chunk == 8 ? 4 : 2));
      run.mode = Mode::step;
      run.activity = &steps;
      const auto state = model->new_state(1, 4);
      for (int64_t t = 0; t < 20; ++t)
        run_model(*model, continue_rows(*state, batch.tokens.slice(0, t, t + 1), {1}), state.get(),
                  run);
      CHECK(steps.total("chunks_passed").n == whole.total("chunks_passed").n);
    }
}

TEST_CASE("megalodon and mega begin as the released code draws them", "[unit]") {
  const auto model = model_of("megalodon", small("megalodon", {{"d_model", 64}, {"ema_dim", 16}}));
  const auto of = [&](const std::string& name) {
    return parameter(*model, "model.layers.1." + name).detach();
  };
  const at::Tensor theta = std::get<0>(of("cema.theta").sigmoid().log().sort(0, true));
  const at::Tensor expected = at::arange(1, 65, at::kDouble) * (-std::log(64.0) / 64);
  CHECK(max_difference(theta, expected) < 1e-5);
  CHECK(max_difference(of("cema.theta"), std::get<0>(of("cema.theta").sort(0, true))) > 0.1);
  CHECK(of("cema.alpha").std().item<double>() == Approx(0.2).epsilon(0.1));
  CHECK(of("cema.gamma").select(2, 0).std().item<double>() == Approx(1).epsilon(0.1));
  CHECK(of("cema.gamma").select(2, 1).abs().max().item<double>() == 0);
  CHECK(of("cema.omega").abs().max().item<double>() <= 1);
  CHECK(of("v_proj.weight").std().item<double>() == Approx(1 / std::sqrt(3 * 64.0)).epsilon(0.1));
  CHECK(of("qk_gain").abs().max().item<double>() == 0);
  CHECK(parameter(*model, "lm_head.weight").abs().max().item<double>() <= 3.0 / 8 + 1e-6);
  const auto ancestor = model_of("mega", small("mega"));
  const at::Tensor beta = parameter(*ancestor, "model.layers.0.ema.beta").detach();
  CHECK(max_difference(beta, at::tensor({1.0, -1.0, 1.0, -1.0})) < 0.1);
  CHECK(max_difference(beta, at::tensor({1.0, -1.0, 1.0, -1.0})) > 0);
}

TEST_CASE("settings of megalodon and mega that mean nothing are refused", "[unit]") {
  const auto refused = [](const char* name, const json& changes, const std::string& text) {
    CHECK_THROWS_WITH(small(name, changes), Contains(text));
  };
  refused("megalodon", {{"chunk_len", 0}}, "/model/chunk_len");
  refused("mega", {{"chunk_len", 0}}, "/model/chunk_len");
  refused("megalodon", {{"norm_groups", 5}}, "norm_groups: 5 does not divide d_model 32");
  refused("megalodon", {{"norm_groups", 32}}, "at most d_model / 2");
  refused("megalodon", {{"n_heads", 3}, {"z_dim", 8}, {"v_dim", 9}},
          "n_heads: 3 does not divide z_dim 8");
  refused("megalodon", {{"n_heads", 2}, {"v_dim", 9}}, "n_heads: 2 does not divide v_dim 9");
  refused("megalodon", {{"z_dim", 9}}, "odd");
  refused("mega", {{"z_dim", 9}}, "odd");
  refused("mega", {{"n_heads", 2}}, "n_heads");
  refused("megalodon", {{"chunk_length", 8}}, "did you mean 'chunk_len'?");
  refused("megalodon", {{"ema_dim", 0}}, "/model/ema_dim");
  for (const int64_t d : {2, 6, 30, 254})  // whatever is solved for resolves
    CHECK(small("megalodon", {{"d_model", d}, {"n_heads", 1}}).at("d_model") == d);
}
