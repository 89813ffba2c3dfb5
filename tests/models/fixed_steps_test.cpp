// Steps of one token per row whose shapes do not depend on how far the rows are: the same numbers
// as any other step, through growing caches, missing rows and a state that starts over.
#include <catch2/catch.hpp>

#include "models/parts/decoder.h"
#include "tests/models/second_device.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

constexpr double kRounding = 1e-11;

/// A model here and its twin on the second device, with a state each for three rows.
struct Pair {
  std::unique_ptr<LanguageModel> here, there;
  std::unique_ptr<DecodeState> state, other;

  explicit Pair(json config) {
    here = fitted(small_model(config, at::kDouble));
    config["d_model"] = 32, config["n_heads"] = 4;
    const Catalog& catalog = tree_catalog();
    const ArchitectureEntry& entry = catalog.architecture(config.at("architecture"), "test");
    there = entry.make(entry.resolve(config, "/model", catalog.parts), kSmallVocab,
                       {1, second_device()}, catalog.parts);
    convert_model(*there, at::kDouble);
    CHECK(copy_shared_weights(*here, *there, "test").empty());
    state = here->new_state(3, 4), other = there->new_state(3, 4);
  }

  /// The largest difference of hidden states after a step of these lengths.
  double step(const std::vector<int64_t>& lengths) {
    Run run;
    run.mode = Mode::step;
    int64_t n = 0;
    for (const int64_t length : lengths) n += length;
    const at::Tensor tokens = at::randint(kSmallVocab, {n}, at::kLong);
    const Batch batch = with_token_hints(continue_rows(*state, tokens, lengths));
    const Batch same{tokens.to(second_device()), batch.rows, {}};
    const at::Tensor expected = run_model(*here, batch, state.get(), run);
    return max_difference(run_model(*there, same, other.get(), run).cpu(), expected);
  }
};

const std::vector<json> kConfigs = {
    {{"architecture", "llama"}, {"n_layers", 3}, {"n_kv_heads", 2}},
    {{"architecture", "subllm"},
     {"structure", "TT(T(TT)T)T"},
     {"scorer", {{"type", "learned"}, {"init_std", 0.5}}}},
    {{"architecture", "subllm"}, {"structure", "T(T)T(TT)"}, {"scorer", "random"}},
    {{"architecture", "subllm"}, {"structure", "T(T)T"}, {"attention_log_weight", true}}};

}  // namespace

TEST_CASE("steps of fixed shape are steps, also where caches grow and rows pause", "[contract]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  for (const json& config : kConfigs) {
    INFO(config.dump());
    Pair pair(config);
    CHECK(pair.step({5, 2, 9}) < kRounding);
    for (int i = 0; i < 12; ++i) {
      INFO(i);
      CHECK(pair.step({1, 1, 1}) < kRounding);
      CHECK(pair.step({1, 0, 1}) < kRounding);
    }
    CHECK(pair.step({3, 0, 1}) < kRounding);  // any other step in between
    CHECK(pair.step({1, 1, 1}) < kRounding);
    CHECK(pair.state->n_bytes() == pair.other->n_bytes());
    CHECK(pair.state->lengths() == pair.other->lengths());
  }
}

TEST_CASE("a state that started over is a new one", "[contract]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(12);
  for (const json& config : kConfigs) {
    INFO(config.dump());
    Pair pair(config);
    for (int text = 0; text < 3; ++text) {
      CHECK(pair.step({4, 6, 2}) < kRounding);
      for (int i = 0; i < 5; ++i) CHECK(pair.step({1, 1, 1}) < kRounding);
      REQUIRE(pair.other->clear());
      CHECK(pair.other->n_bytes() == pair.there->new_state(3, 4)->n_bytes());
      pair.state = pair.here->new_state(3, 4);
    }
    REQUIRE(pair.state->clear());
    pair.other = pair.there->new_state(3, 4);
    CHECK(pair.step({4, 6, 2}) < kRounding);
  }
}

TEST_CASE("a forked state goes on by itself on a device", "[contract]") {
  const at::NoGradGuard no_grad;
  at::manual_seed(13);
  for (const json& config : kConfigs) {
    INFO(config.dump());
    Pair pair(config);
    pair.step({4, 6, 2});
    for (int i = 0; i < 3; ++i) pair.step({1, 1, 1});
    const auto kept = pair.other->fork({0, 1, 2});
    auto state = pair.state->fork({2, 0, 0}), other = pair.other->fork({2, 0, 0});
    std::swap(state, pair.state), std::swap(other, pair.other);
    for (int i = 0; i < 3; ++i) CHECK(pair.step({1, 1, 1}) < kRounding);
    std::swap(state, pair.state), std::swap(other, pair.other);
    for (int i = 0; i < 3; ++i) CHECK(pair.step({1, 1, 1}) < kRounding);
  }
}
