// SUBLLM against a naive form written from its equations.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/bypass.h"
#include "models/parts/lm_head.h"
#include "models/selection/balancer.h"
#include "models/selection/ranking.h"
#include "models/subllm/config.h"
#include "models/subllm/structure.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

void copy_shared(const LanguageModel& from, LanguageModel& to) {
  at::NoGradGuard no_grad;
  for (Parameter& target : to.parameters())
    for (const Parameter& source : from.parameters())
      if (source.name == target.name) target.tensor.copy_(source.tensor);
}

void set_bypass(LanguageModel& model, double value) {
  at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters())
    if (parameter.name.ends_with("bypass_scale")) parameter.tensor.fill_(value);
}

}  // namespace

TEST_CASE("structure strings are read, and refused with their place", "[unit]") {
  const auto s = subllm::parse_structure("(T(TT)T)T", "w");
  CHECK(s.n_blocks == 5);
  CHECK(s.module_levels == std::vector<int64_t>{1, 2});
  CHECK(s.parents == std::vector<int64_t>{-1, 0});
  CHECK(s.closing_order == std::vector<int64_t>{1, 0});
  CHECK_THROWS_WITH(subllm::parse_structure("T(T", "w"), Contains("leaves 1 '(' open"));
  CHECK_THROWS_WITH(subllm::parse_structure("T)T", "w"),
                    Contains("closes what was never opened at character 2"));
  CHECK_THROWS_WITH(subllm::parse_structure("TxT", "w"), Contains("has 'x' at character 2"));
  CHECK_THROWS_WITH(subllm::parse_structure("", "w"), Contains("is empty"));
}

TEST_CASE("settings that make no sense are refused by name", "[unit]") {
  const auto refuses = [](const json& given, const std::string& why) {
    INFO(given.dump());
    CHECK_THROWS_WITH(small_model(given), Contains(why));
  };
  refuses({{"architecture", "llama"}, {"d_model", 30}, {"n_heads", 4}},
          "/model/n_heads: 4 does not divide d_model 30");
  refuses({{"architecture", "llama"}, {"d_model", 20}, {"n_heads", 4}},
          "/model/head_dim: 5 is odd");
  refuses({{"architecture", "llama"}, {"n_kv_heads", 3}},
          "/model/n_kv_heads: 3 does not divide n_heads");
  refuses({{"architecture", "llama"}, {"structure", "T"}}, "unknown key 'structure'");
  refuses({{"architecture", "subllm"}, {"n_layers", 3}},
          "/model/n_layers: 3 disagrees with structure");
  refuses({{"architecture", "subllm"}, {"retention", 0}},
          "/model/retention: 0 is out of range; allowed: (0, 1]");
  refuses({{"architecture", "subllm"}, {"retention", 1.2}}, "out of range");
  refuses({{"architecture", "subllm"}, {"retention", {0.5}}},
          "lists 1 values, but structure has 2");
  refuses({{"architecture", "subllm"}, {"scorer", "lerned"}}, "did you mean 'learned'?");
  refuses({{"architecture", "subllm"}, {"train_selector", "topk"}}, "did you mean 'top_k'?");
  refuses({{"architecture", "subllm"}, {"scorer", "random"}, {"gate", "score"}}, "are no weights");
  refuses({{"architecture", "subllm"}, {"scorer", "random"}, {"train_selector", "top_k_discard"}},
          "needs a gate that reads them (score)");
  refuses({{"architecture", "subllm"}, {"scorer", {{"type", "norm"}, {"input", "normed"}}}},
          "/model/scorer: has no settings, so no 'input'");
  refuses({{"architecture", "subllm"}, {"scorer", {{"inptu", "normed"}}}},
          "/model/scorer: unknown key 'inptu'; did you mean 'input'?");
  refuses({{"architecture", "subllm"}, {"scorer", 3}}, "/model/scorer: expected a name");
  refuses({{"architecture", "subllm"}, {"scorer", "recency"}}, "looks at later tokens");
  refuses({{"architecture", "subllm"}, {"train_scorer", "attention"}, {"structure", "(TT)"}},
          "without a T right before it, whose attention scorer 'attention' reads");
  refuses({{"architecture", "subllm"},
           {"evaluate_selector", {{"type", "causal_quantile"}, {"threshold", 0.5}}}},
          "/model/evaluate_selector: has no settings, so no 'threshold'");
  // Studies from before parts had settings of their own.
  refuses({{"architecture", "subllm"}, {"scorer_input", "normed"}},
          "/model/scorer_input: is a setting of a part now: write model.scorer.input");
  refuses({{"architecture", "subllm"}, {"threshold", 0.5}},
          "write model.evaluate_selector.threshold");
}

TEST_CASE("with everything kept and bypass 1, SUBLLM is the dense model", "[numerics]") {
  const json shape = {{"d_model", 32}, {"n_heads", 2}};
  json dense = shape, sparse = shape;
  dense.update({{"architecture", "llama"}, {"n_layers", 6}});
  sparse.update({{"architecture", "subllm"}, {"structure", "T(T(TT)T)T"}, {"retention", 1.0}});
  const auto llama = small_model(dense, at::kDouble), subllm = small_model(sparse, at::kDouble);
  copy_shared(*llama, *subllm);
  set_bypass(*subllm, 1.0);
  const Batch batch = random_batch({9, 1, 30});
  for (const Mode mode : {Mode::train, Mode::evaluate}) {
    Run run;
    run.mode = mode;
    CHECK(max_difference(run_model(*llama, batch, nullptr, run),
                         run_model(*subllm, batch, nullptr, run)) < 1e-12);
  }
}

TEST_CASE("keeping nothing leaves the stream to the outer blocks", "[numerics]") {
  const json shape = {{"d_model", 32}, {"n_heads", 2}};
  json dense = shape, sparse = shape;
  dense.update({{"architecture", "llama"}, {"n_layers", 2}});
  sparse.update({{"architecture", "subllm"},
                 {"structure", "TT(TT)"},
                 {"evaluate_selector", {{"threshold", 1e5}}}});
  const auto llama = small_model(dense, at::kDouble), subllm = small_model(sparse, at::kDouble);
  copy_shared(*llama, *subllm);
  const Batch batch = random_batch({9, 1, 30});
  CHECK(max_difference(run_model(*llama, batch, nullptr, Run{}),
                       run_model(*subllm, batch, nullptr, Run{})) < 1e-12);
}

TEST_CASE("the discard rule gives the weights of its definition, in both flip states", "[unit]") {
  // Sorted: 2.0 .9 .6 .5 .2 -1; K = 4 of 6, so .2 and -1 -> .2 and 0 are discarded.
  const at::Tensor scores =
      at::tensor(std::vector<double>{0.5, -1.0, 2.0, 0.2, 0.9, 0.6}, at::kDouble);
  const RowsPtr rows = Rows::contiguous({6});
  struct Forced : Coins {
    explicit Forced(bool heads) : Coins(0, 0), heads(heads) {}
    bool flip(std::string_view, int64_t, double) const override { return heads; }
    bool heads;
  };
  const Parts parts = built_in_catalog().parts;
  const auto discard_rule = make_choice(parts.selectors, "selector", "top_k_discard", "test", {});
  const at::Tensor weights = scores.clamp(0, 1);
  for (const bool reversed : {false, true}) {
    const Forced coins(reversed);
    Run run;
    run.mode = Mode::train;
    run.coins = &coins;
    const Selection s = discard_rule->select({scores, weights, *rows, 0.64, 0, run, nullptr});
    CHECK(s.index.equal(at::tensor(std::vector<int64_t>{0, 2, 4, 5}, at::kLong)));
    // Ranks: token 2 first, 4 second, 5 third, 0 fourth. Discarded weights .2, 0, then padding.
    const at::Tensor expected =
        reversed ? at::tensor(std::vector<double>{0.3, 1.0, 0.9, 0.6}, at::kDouble)
                 : at::tensor(std::vector<double>{0.5, 0.8, 0.9, 0.6}, at::kDouble);
    CHECK(max_difference(s.weights, expected) < 1e-12);
  }
  CHECK(kept_tokens(25, 0.64) == 16);
  CHECK(kept_tokens(100, 0.64) == 64);
  CHECK(kept_tokens(1, 0.01) == 1);
  CHECK(kept_tokens(0, 0.5) == 0);
}

TEST_CASE("the balancer's rule is the derivative of its loss", "[numerics]") {
  at::manual_seed(3);
  const Balancer balancer{0.64, 0.04};
  for (const double shift : {-2.0, 0.0, 3.0, 20.0}) {
    const at::Tensor x = (at::randn({40}, at::kDouble) * 0.5 + shift).requires_grad_();
    const at::Tensor mean = x.mean(), square = x.square().mean();
    const at::Tensor ratio = mean / (square - mean.square()).sqrt(), rms = square.sqrt();
    const double low = 0.81395 * std::atanh(2 * 0.59 - 1),
                 high = 0.81395 * std::atanh(2 * 0.69 - 1);
    const at::Tensor loss = (ratio - ratio.detach().clamp(low, high)).abs() +
                            (rms.detach().clamp(1.25331, 5.01324).log() - rms.log()).abs();
    loss.backward();
    const at::Tensor g = x.grad(), incoming = at::randn({40}, at::kDouble);
    const double size = g.square().mean().sqrt().item<double>();
    const at::Tensor expected = size > 0 ? incoming + incoming.abs() * g * 0.04 / size : incoming;
    CHECK(max_difference(balancer.balance(x.detach(), incoming), expected) < 1e-9);
    const at::Tensor alone = x.detach().clone().requires_grad_();
    const at::Tensor own = balancer.loss(alone);
    CHECK(own.item<double>() == Approx(loss.item<double>()));
    own.backward();
    CHECK(max_difference(alone.grad(), g) < 1e-9);
  }
}

TEST_CASE("limits turn only the gradients that lead further out", "[unit]") {
  const at::Tensor p =
      at::tensor(std::vector<double>{0.1, 0.1, 0.5, 1.2, 1.2}, at::kDouble).requires_grad_();
  const at::Tensor wanted = at::tensor(std::vector<double>{1, -1, 1, 1, -1}, at::kDouble);
  (limit_parameter(p, 0.2, 1.0) * wanted).sum().backward();
  CHECK(p.grad().equal(at::tensor(std::vector<double>{-1, -1, 1, 1, 1}, at::kDouble)));
}

TEST_CASE("top-k in evaluation cannot decode and says so", "[unit]") {
  const auto model = small_model({{"architecture", "subllm"}, {"evaluate_selector", "top_k"}});
  const auto state = model->new_state(1, 4);
  Run run;
  run.mode = Mode::step;
  CHECK_THROWS_WITH(
      run_model(*model, continue_rows(*state, at::zeros({1}, at::kLong), {1}), state.get(), run),
      Contains("cannot decode"));
}

TEST_CASE("the ledger gives the published ratios at 1.3B", "[unit]") {
  // 24 layers, d_model 2048, d_ff 5504, V 32000, retention 0.64, causal count.
  const auto flops = [](const json& extra, int64_t length) {
    json given = {{"d_model", 2048}, {"n_heads", 16}, {"d_ff", 5504}};
    given.update(extra);
    Ledger ledger;
    costed_model(given, 32000)->add_cost(CostShape::whole_rows(1, length), ledger);
    return std::make_pair(ledger.flops_causal(), ledger.flops_square());
  };
  const json llama = {{"architecture", "llama"}, {"n_layers", 24}};
  const json subllm = {{"architecture", "subllm"}, {"structure", "TTTTT(TTTTT(TTTT)TTTTT)TTTTT"}};
  struct Published {
    int64_t length;
    double base_gflops, causal, square;
  };
  for (const Published& p : {Published{2048, 2.761, 1.327, 1.344},
                             {4096, 2.962, 1.344, 1.372},
                             {8192, 3.365, 1.372, 1.415},
                             {16384, 4.170, 1.415, 1.468}}) {
    INFO(p.length);
    const auto base = flops(llama, p.length), sparse = flops(subllm, p.length);
    CHECK(base.first / sparse.first == Approx(p.causal).margin(0.0006));
    CHECK(base.second / sparse.second == Approx(p.square).margin(0.0006));
    CHECK(base.first / static_cast<double>(p.length) / 1e9 == Approx(p.base_gflops).margin(0.0006));
  }
}
