// Infini-Transformer as a model: beside a llama of the same weights, in steps, with checkpoints, by
// the size of its state, and what is refused.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <catch2/catch.hpp>

#include "baselines/architectures/infini_memory.h"
#include "experiments/plan/resolve.h"
#include "experiments/run/trial_metrics.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;
using namespace sublab::infini_transformer;
using Catch::Contains;

namespace {

const json kConfig = {
    {"architecture", "infini_transformer"}, {"n_kv_heads", 2}, {"n_layers", 2}, {"segment_len", 4}};

std::unique_ptr<LanguageModel> model_with(const json& changes, at::ScalarType dtype = at::kDouble) {
  json config = kConfig;
  config.update(changes);
  return small_model(config, dtype);
}

void set_gates(LanguageModel& model, double beta) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : model.parameters())
    if (parameter.name.ends_with(".memory_gate")) parameter.tensor.fill_(beta);
}

/// The same weights in a llama: parameters draw from streams of their names.
std::unique_ptr<LanguageModel> llama() {
  return small_model({{"architecture", "llama"}, {"n_kv_heads", 2}, {"n_layers", 2}}, at::kDouble);
}

at::Tensor whole(const LanguageModel& model, const Batch& batch) {
  const at::NoGradGuard no_grad;
  return run_model(model, batch, nullptr, Run{});
}

}  // namespace

TEST_CASE("with the gate at the attention it is a llama's inside segments, bit for bit",
          "[numerics]") {
  at::manual_seed(5);
  for (const char* first : {"scaled", "local"}) {
    const auto model = model_with({{"first_segment", first}}), reference = llama();
    set_gates(*model, -1e4);
    const Batch batch = random_batch({8, 8});
    const Batch cut = {
        batch.tokens, Rows::with_positions({4, 4, 4, 4}, {}, batch.rows->positions()), batch.hints};
    CHECK(whole(*model, batch).equal(whole(*reference, cut)));
    CHECK_FALSE(whole(*model, batch).equal(whole(*reference, batch)));
    const auto wide = model_with({{"first_segment", first}, {"segment_len", 20}});
    set_gates(*wide, -1e4);
    for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{20, 20}, {20, 7, 1}}) {
      const Batch whole_rows = random_batch(lengths);
      CHECK(whole(*wide, whole_rows).equal(whole(*reference, whole_rows)));
    }
  }
}

TEST_CASE("steps of any size are whole rows, and no later token is seen", "[contract]") {
  at::manual_seed(9);
  const at::NoGradGuard no_grad;
  for (const char* update : {"linear", "delta"})
    for (const char* first : {"scaled", "local"}) {
      INFO(update << " " << first);
      const auto model = model_with({{"update", update}, {"first_segment", first}});
      const std::vector<int64_t> lengths = {19, 4, 0, 13};
      const Batch batch = random_batch(lengths);
      const at::Tensor expected = whole(*model, batch);
      for (const int64_t most : {1, 3, 4, 9, 19}) {
        const auto state = model->new_state(4, 2);
        Run run;
        run.mode = Mode::step;
        while (state->lengths() != lengths) {
          const std::vector<int64_t> begin = state->lengths();
          std::vector<int64_t> take;
          std::vector<at::Tensor> tokens, wanted;
          for (int64_t b = 0; b < 4; ++b) {
            take.push_back(std::min(most + b % 2, lengths[b] - begin[b]));
            const int64_t from = batch.rows->begin(b) + begin[b];
            tokens.push_back(batch.tokens.slice(0, from, from + take[b]));
            wanted.push_back(expected.slice(0, from, from + take[b]));
          }
          const Batch next = continue_rows(*state, at::cat(tokens), take);
          CHECK(max_difference(run_model(*model, next, state.get(), run), at::cat(wanted)) < 1e-11);
        }
      }
      for (int64_t j = 1; j < 19; ++j) {
        Batch other = batch;
        other.tokens = batch.tokens.clone();
        other.tokens[j] = (other.tokens[j] + 1).remainder(kSmallVocab);
        CHECK(whole(*model, other).slice(0, 0, j).equal(expected.slice(0, 0, j)));
      }
    }
}

TEST_CASE("checkpoints of segments give the same gradients", "[numerics]") {
  at::manual_seed(10);
  const Batch batch = random_batch({19, 4, 8, 1});
  for (const char* update : {"linear", "delta"})
    for (const char* first : {"scaled", "local"}) {
      const auto gradients = [&](bool checkpoints, bool recompute) {
        const auto model = model_with(
            {{"update", update}, {"first_segment", first}, {"segment_checkpointing", checkpoints}});
        Run run;
        run.mode = Mode::train;
        run.recompute = recompute;
        lm_loss(run_model(*model, batch, nullptr, run), model->head_weight(), batch.tokens, 32)
            .backward();
        std::vector<at::Tensor> out;
        for (const Parameter& parameter : model->parameters())
          out.push_back(parameter.tensor.grad());
        return out;
      };
      const auto expected = gradients(false, false);
      for (const auto& [checkpoints, recompute] : {std::pair(true, false), std::pair(true, true)}) {
        const auto got = gradients(checkpoints, recompute);
        for (size_t i = 0; i < got.size(); ++i) CHECK(max_difference(got[i], expected[i]) < 1e-12);
      }
    }
}

TEST_CASE("a decode state is as large after many segments as after two", "[contract]") {
  const at::NoGradGuard no_grad;
  const auto model = model_with(json::object(), at::kFloat);
  const auto state = model->new_state(2, 100);
  Run run;
  run.mode = Mode::step;
  // Per layer and row two memories of 8 x 9 numbers, and keys twice and values of the open tokens.
  const auto expected = [](int64_t open) { return 2 * 2 * (2 * 8 * 9 * 4 + open * 3 * 16 * 4); };
  for (int64_t t = 1; t <= 40; ++t) {
    run_model(*model, continue_rows(*state, at::zeros({2}, at::kLong), {1, 1}), state.get(), run);
    CHECK(state->n_bytes() == expected((t - 1) % 4 + 1));
    Ledger ledger;
    model->add_cost(CostShape::decode(2, t - 1), ledger);
    CHECK(ledger.cache_bytes() == state->n_bytes());
  }
}

TEST_CASE("memories are float32 beside bfloat16 weights", "[contract]") {
  at::manual_seed(11);
  const at::NoGradGuard no_grad;
  const MemoryRule rule{.delta = true};
  const auto half = [](int64_t heads) { return at::randn({1, 8, heads, 6}).to(at::kBFloat16); };
  const Memory memory = rule.folded(rule.folded({}, half(2), half(2)), half(2), half(2));
  CHECK(memory.M.scalar_type() == at::kFloat);
  CHECK(rule.read(memory, half(4)).scalar_type() == at::kFloat);
  const auto model = model_with(json::object(), at::kBFloat16);
  const Batch batch = random_batch({19, 4});
  const at::Tensor hidden = whole(*model, batch);
  CHECK(hidden.scalar_type() == at::kBFloat16);
  const double off = max_difference(hidden, whole(*model_with(json::object()), batch));
  CHECK(off < 0.3);
}

TEST_CASE("gates have a learning rate of their own, no decay, and are reported", "[contract]") {
  const auto model = model_with({{"gate_init", -2}, {"gate_learning_rate_scale", 7}});
  int64_t n = 0;
  for (const Parameter& parameter : model->parameters()) {
    const bool gate = parameter.name.ends_with(".self_attn.memory_gate");
    CHECK(parameter.learning_rate_scale == (gate ? 7 : 1));
    if (!gate) continue;
    CHECK_FALSE(parameter.decay);
    CHECK(parameter.tensor.sizes() == at::IntArrayRef({4}));
    CHECK(parameter.tensor.eq(-2).all().item<bool>());
    ++n;
  }
  CHECK(n == 2);
  {
    const at::NoGradGuard no_grad;
    model->parameters().back().tensor[0] = 0.0;
  }
  Record record;
  NpyMembers arrays;
  add_training({}, *model, arrays, record);
  const auto value = [&](const char* name, int64_t layer) {
    return *record.find(name, {{"layer", layer}})->value;
  };
  const double low = 1 / (1 + std::exp(2.0));
  CHECK(value("memory_gate_max", 0) == Approx(low));
  CHECK(value("memory_gate_min", 1) == Approx(low));
  CHECK(value("memory_gate_max", 1) == Approx(0.5));
  CHECK(value("memory_gate_mean", 1) == Approx((3 * low + 0.5) / 4));
}

TEST_CASE("settings that do not go with a memory are refused", "[unit]") {
  const auto refusal = [](const json& changes) {
    json model = kConfig;
    model.update(changes);
    try {
      tree_catalog()
          .architecture("infini_transformer", "")
          .resolve(model, "/model", tree_catalog().parts);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  CHECK(refusal(json::object()) == "taken");
  CHECK_THAT(refusal({{"kv_policy", "full"}}),
             Contains("/model/kv_policy: infini_transformer has"));
  CHECK_THAT(refusal({{"execution", "local"}}), Contains("/model/execution: a compressive memory"));
  CHECK_THAT(refusal({{"update", "delat"}}), Contains("did you mean 'delta'?"));
  CHECK_THAT(refusal({{"segment_len", 0}}), Contains("/model/segment_len: 0"));
  json study = {{"model", {{"architecture", "infini_transformer"}, {"segment_len", 32}}},
                {"data", {{"train_on", {{"task", "recall"}, {"n_pairs", 4}}}, {"context_len", 32}}},
                {"train", {{"batch_tokens", 128}, {"tokens", 1280}}}};
  CHECK_THROWS_WITH(resolve_trial(study, "study", tree_catalog()),
                    Contains("study/model/segment_len: 32 tokens hold a whole row of "
                             "data.context_len 32"));
  study["model"]["segment_len"] = 31;
  CHECK_NOTHROW(resolve_trial(study, "study", tree_catalog()));
}
