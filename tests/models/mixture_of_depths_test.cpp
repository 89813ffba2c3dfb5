// Mixture-of-Depths against its equations written out, and what its routers must and must not do.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/lm_head.h"
#include "tests/models/naive_depths.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

json depths(json extra) {
  extra["architecture"] = "mixture_of_depths";
  if (!extra.contains("n_layers")) extra["n_layers"] = 4;
  if (!extra.contains("retention")) extra["retention"] = 0.3;
  return extra;
}

void copy_shared(const LanguageModel& from, LanguageModel& to) {
  at::NoGradGuard no_grad;
  for (Parameter& target : to.parameters())
    for (const Parameter& source : from.parameters())
      if (source.name == target.name) target.tensor.copy_(source.tensor);
}

at::Tensor hidden(const LanguageModel& model, const Batch& batch, Mode mode = Mode::evaluate) {
  at::NoGradGuard no_grad;
  Run run;
  run.mode = mode;
  return run_model(model, batch, nullptr, run);
}

/// The batch token by token in steps.
at::Tensor stepped(const LanguageModel& model, const Batch& row) {
  at::NoGradGuard no_grad;
  Run run;
  run.mode = Mode::step;
  const auto state = model.new_state(1, 4);
  std::vector<at::Tensor> out;
  for (int64_t t = 0; t < row.tokens.size(0); ++t)
    out.push_back(run_model(model, continue_rows(*state, row.tokens.slice(0, t, t + 1), {1}),
                            state.get(), run));
  return at::cat(out);
}

RecordedKeeps decisions(const LanguageModel& model, const Batch& batch, Mode mode) {
  at::NoGradGuard no_grad;
  RecordedKeeps out;
  Run run;
  run.mode = mode;
  run.recorded = &out;
  run_model(model, batch, nullptr, run);
  return out;
}

}  // namespace

TEST_CASE("at retention 1 and gate one it is Llama, to the last bit", "[numerics]") {
  at::manual_seed(1);
  const Batch batch = random_batch({9, 1, 30}), row = random_batch({12});
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const auto llama = small_model({{"architecture", "llama"}, {"n_layers", 4}}, dtype);
    const auto same = small_model(depths({{"retention", 1.0}, {"gate", "one"}}), dtype);
    const auto weighed = small_model(depths({{"retention", 1.0}}), dtype);
    copy_shared(*llama, *same);
    copy_shared(*llama, *weighed);
    CHECK(same->parameters().size() == llama->parameters().size());
    for (const Mode mode : {Mode::train, Mode::evaluate}) {
      CHECK(hidden(*same, batch, mode).equal(hidden(*llama, batch, mode)));
      // Everything is chosen, and still weighed.
      CHECK(max_difference(hidden(*weighed, batch, mode), hidden(*llama, batch, mode)) > 1e-2);
    }
    CHECK(stepped(*same, row).equal(stepped(*llama, row)));
  }
}

TEST_CASE("with nobody chosen the routed blocks are not there", "[numerics]") {
  at::manual_seed(2);
  const auto none = small_model(depths({{"evaluate_selector", {{"threshold", 1e5}}}}), at::kDouble);
  const auto two = small_model({{"architecture", "llama"}, {"n_layers", 2}}, at::kDouble);
  at::NoGradGuard no_grad;
  for (Parameter& target : two->parameters())
    for (const Parameter& source : none->parameters()) {
      std::string name = target.name;
      if (const size_t at = name.find("layers.1."); at != std::string::npos) name[at + 7] = '2';
      if (source.name == name) target.tensor.copy_(source.tensor);
    }
  const Batch batch = random_batch({9, 0, 30});
  CHECK(hidden(*none, batch).equal(hidden(*two, batch)));
}

TEST_CASE("it is its equations: who is chosen, at which positions, with which weight",
          "[numerics]") {
  at::manual_seed(3);
  for (const json& extra : std::vector<json>{{},
                                             {{"gate", "sigmoid"}, {"n_kv_heads", 2}},
                                             {{"gate", "softmax"}, {"routed_blocks", {0, 1, 3}}},
                                             {{"gate", "one"}, {"routed_blocks", "all"}},
                                             {{"decision", "predictor"}},
                                             {{"decision", "predictor"}, {"gate", "softmax"}}}) {
    const json config = depths(extra);
    INFO(config.dump());
    const auto model = small_model(config, at::kDouble);
    for (const Mode mode : {Mode::train, Mode::evaluate}) {
      const Batch batch = random_batch({17, 1, 11});
      const at::Tensor got = hidden(*model, batch, mode);
      for (int64_t b = 0; b < 3; ++b) {
        const int64_t begin = batch.rows->begin(b), end = begin + batch.rows->length(b);
        const NaiveDepths naive(*model, config, 4);
        const at::Tensor expected =
            naive.hidden(batch.tokens.slice(0, begin, end), mode == Mode::train);
        CHECK(max_difference(got.slice(0, begin, end), expected) < 1e-11);
      }
    }
  }
}

TEST_CASE("tokens that are not chosen pass a routed block to the last bit", "[numerics]") {
  // One block, routed; the final norm of an untouched token is that of its embedding.
  at::manual_seed(4);
  const auto model = small_model(depths({{"n_layers", 1}, {"routed_blocks", "all"}}));
  const auto bare = small_model({{"architecture", "llama"}, {"n_layers", 0}});
  copy_shared(*model, *bare);
  const Batch batch = random_batch({40});
  const RecordedKeeps keeps = decisions(*model, batch, Mode::train);
  const at::Tensor out = hidden(*model, batch, Mode::train), in = hidden(*bare, batch);
  int64_t n_chosen = 0;
  for (int64_t t = 0; t < 40; ++t) {
    const bool chosen = keeps.keep(0, 0, t);
    n_chosen += chosen;
    CHECK(out[t].equal(in[t]) == !chosen);
  }
  CHECK(n_chosen == 12);
}

TEST_CASE("who is chosen does not change with a constant, and ties go to the first", "[numerics]") {
  at::manual_seed(5);
  const auto top_k = make_choice(tree_catalog().parts.selectors, "selector", "top_k", "test", {});
  const RowsPtr rows = Rows::contiguous({30, 1, 9});
  const at::Tensor scores = at::randn({40}, at::kDouble).mul(3).round();  // many ties, exact sums
  const auto chosen = [&](const at::Tensor& s) {
    Run run;
    run.mode = Mode::train;
    return top_k->select({s, s, *rows, 0.3, 0, run, nullptr}).index;
  };
  for (const double constant : {-64.0, 3.0, 1024.0})
    CHECK(chosen(scores + constant).equal(chosen(scores)));
  const auto model = small_model(depths({}));
  at::NoGradGuard no_grad;
  for (Parameter& each : model->parameters())
    if (each.name.ends_with("router.scorer.weight")) each.tensor.zero_();
  const RecordedKeeps keeps = decisions(*model, random_batch({10}), Mode::train);
  const std::vector<uint8_t> first_three = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
  for (const auto& site : keeps.decided) CHECK(site.at(0) == first_three);
}

TEST_CASE("gradients reach the router through chosen tokens alone", "[numerics]") {
  struct Scores : Observer {
    void selected(int64_t, const at::Tensor& s, const Rows&, const at::Tensor& i,
                  const at::Tensor&) override {
      scores.push_back(s);
      scores.back().retain_grad();
      index.push_back(i);
    }
    std::vector<at::Tensor> scores, index;
  };
  at::manual_seed(6);
  for (const char* gate : {"raw", "sigmoid"}) {
    const auto model = small_model(depths({{"gate", gate}}), at::kDouble);
    const Batch batch = random_batch({30, 12});
    Scores seen;
    Run run;
    run.mode = Mode::train;
    run.observer = &seen;
    lm_loss(run_model(*model, batch, nullptr, run), model->head_weight(), batch.tokens, 42)
        .backward();
    REQUIRE(seen.scores.size() == 2);
    for (size_t site = 0; site < 2; ++site) {
      const at::Tensor grad = seen.scores[site].grad();
      at::Tensor chosen = at::zeros({42}, at::kBool);
      chosen.index_fill_(0, seen.index[site], true);
      CHECK(grad.ne(0).equal(chosen));
    }
  }
}

TEST_CASE("causal decisions look at no later token, top-k in training does", "[contract]") {
  at::manual_seed(7);
  for (const char* decision : {"auxiliary_loss", "predictor", "scores"}) {
    INFO(decision);
    const auto model =
        small_model(depths({{"decision", decision}, {"retention", 0.5}}), at::kDouble);
    bool looked = false;
    for (int trial = 0; trial < 8; ++trial) {
      const Batch batch = random_batch({20});
      const int64_t j = 19 - trial;
      Batch other = batch;
      other.tokens = batch.tokens.clone();
      other.tokens[j] = (batch.tokens[j] + 1) % kSmallVocab;
      const auto earlier = [&](Mode mode) {
        return max_difference(hidden(*model, batch, mode).slice(0, 0, j),
                              hidden(*model, other, mode).slice(0, 0, j));
      };
      CHECK(earlier(Mode::evaluate) < 1e-12);
      looked = looked || earlier(Mode::train) > 1e-6;
    }
    CHECK(looked);
  }
}

TEST_CASE("the auxiliary loss teaches the scores, the predictor's nothing but itself",
          "[numerics]") {
  at::manual_seed(8);
  const Batch batch = random_batch({24, 24});
  for (const char* decision : {"auxiliary_loss", "predictor"}) {
    INFO(decision);
    const auto model = small_model(depths({{"decision", decision}, {"auxiliary_weight", 0.25}}));
    AuxiliaryLosses losses;
    Run run;
    run.mode = Mode::train;
    run.losses = &losses;
    run_model(*model, batch, nullptr, run);
    REQUIRE(losses.all().size() == 2);
    CHECK(losses.all()[0].weight == 0.25);
    losses.total().backward();
    for (const Parameter& each : model->parameters()) {
      INFO(each.name);
      const at::Tensor grad = each.tensor.grad();
      const bool moved = grad.defined() && grad.abs().sum().item<double>() > 0;
      if (decision == std::string("predictor"))
        CHECK(moved == (each.name.find(".predictor.") != std::string::npos));
      else if (each.name.find(".router.") != std::string::npos)
        CHECK(moved);
    }
    AuxiliaryLosses none;
    run.losses = &none;
    run.mode = Mode::evaluate;
    run_model(*model, batch, nullptr, run);
    CHECK(none.all().empty());
  }
}

TEST_CASE("a routed block's cache holds the chosen tokens and no other", "[contract]") {
  const auto model = small_model(depths({{"scorer", "stride"}, {"retention", 0.25}}));
  const auto state = model->new_state(1, 100);
  Run run;
  run.mode = Mode::step;
  at::NoGradGuard no_grad;
  const int64_t per_token = 2 * 32 * 4;  // keys and values of one layer, fp32
  for (int64_t t = 1; t <= 24; ++t) {
    run_model(*model, continue_rows(*state, at::zeros({1}, at::kLong), {1}), state.get(), run);
    CHECK(state->n_bytes() == per_token * (2 * t + 2 * (t / 4)));
  }
}

TEST_CASE("it starts as the Llama whose weights it takes", "[contract]") {
  at::manual_seed(9);
  const auto llama = small_model({{"architecture", "llama"}, {"n_layers", 4}}, at::kDouble);
  const Batch batch = random_batch({13, 5});
  for (const char* decision : {"auxiliary_loss", "predictor", "scores"}) {
    const auto model = small_model(depths({{"decision", decision}}), at::kDouble);
    std::set<std::string> missing;
    for (const Parameter& each : model->parameters())
      if (each.name.find(".router.") != std::string::npos ||
          each.name.find(".predictor.") != std::string::npos)
        missing.insert(each.name);
    copy_shared(*llama, *model);
    model->graft(missing, "there");
    CHECK(max_difference(hidden(*model, batch), hidden(*llama, batch)) < 1e-12);
  }
  const auto halved = small_model(depths({{"gate", "sigmoid"}}));
  CHECK_THROWS_WITH(halved->graft({"model.layers.1.router.scorer.weight"}, "there"),
                    Contains("no score weighs 1 under gate sigmoid"));
  CHECK_THROWS_WITH(halved->graft({"model.norm.weight"}, "there"),
                    Contains("has no tensor model.norm.weight"));
}

TEST_CASE("settings of Mixture-of-Depths that make no sense are refused by name", "[unit]") {
  const auto refuses = [](const json& given, const std::string& why) {
    INFO(given.dump());
    CHECK_THROWS_WITH(small_model(depths(given)), Contains(why));
  };
  refuses({{"retention", 0}}, "/model/retention: 0 is out of range; allowed: (0, 1]");
  refuses({{"retention", 1.5}}, "/model/retention: 1.5 is out of range");
  refuses({{"retention", {0.5}}}, "lists 1 values, but 2 blocks are routed");
  refuses({{"routed_blocks", "odd"}}, "neither every_other nor all nor a list");
  refuses({{"routed_blocks", {1, 4}}}, "names a block outside 0 .. n_layers - 1");
  refuses({{"routed_blocks", {2, 1}}}, "does not ascend");
  refuses({{"routed_blocks", json::array()}}, "routes no block of 4");
  refuses({{"n_layers", 1}}, "\"every_other\" routes no block of 1");
  refuses({{"decision", "predict"}}, "predictor");
  refuses({{"decision", "auxiliary_loss"}, {"scorer", "norm"}},
          "/model/decision: 'auxiliary_loss' teaches scores, and those of 'norm' are not trained");
  refuses({{"decision", "predictor"}, {"train_selector", "threshold"}},
          "train_selector 'threshold' sees nothing else; use scores");
  refuses({{"decision", "scores"}, {"auxiliary_weight", 0.5}},
          "/model/auxiliary_weight: 0.5 has no effect with decision scores");
  refuses({{"predictor_width", 8}},
          "/model/predictor_width: 8 has no effect with decision auxiliary_loss");
  refuses({{"gate", "softmax"}, {"train_selector", "top_k_discard"}}, "/model/train_selector");
  refuses({{"train_scorer", "attention"}, {"routed_blocks", "all"}},
          "block 0 has no block that all tokens pass right before it");
  refuses({{"structure", "T"}}, "unknown key 'structure'");
}

TEST_CASE("a predictor beside a block that chooses everybody, above a threshold that is not 0",
          "[contract]") {
  at::NoGradGuard no_grad;
  at::manual_seed(21);
  const auto model =
      small_model({{"architecture", "mixture_of_depths"},
                   {"n_layers", 4},
                   {"retention", {0.5, 1.0}},
                   {"decision", "predictor"},
                   {"evaluate_selector", {{"type", "threshold"}, {"threshold", 0.1}}}},
                  at::kDouble);
  const Batch batch = random_batch({12, 5});
  const at::Tensor whole = run_model(*model, batch, nullptr, Run{});
  RecordedKeeps keeps;
  Run run;
  run.recorded = &keeps;
  CHECK(run_model(*model, batch, nullptr, run).equal(whole));
  for (const auto& row : keeps.decided.at(1))
    CHECK(std::count(row.begin(), row.end(), 1) == static_cast<int64_t>(row.size()));
}
