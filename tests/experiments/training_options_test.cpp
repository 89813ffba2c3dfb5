// Recomputation and bfloat16 training give what plain training gives.
#include <catch2/catch.hpp>
#include <cmath>

#include "experiments/train/optimizer.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

class Counting : public RowSource {
 public:
  TokenRow row(int64_t index) const override {
    TokenRow out;
    for (int64_t t = 0; t < context_len(); ++t) {
      out.tokens.push_back((index * 7 + 3 * t) % kSmallVocab);
      out.labels.push_back((index * 7 + 3 * t + 3) % kSmallVocab);
      out.positions.push_back(t);
    }
    out.lengths = {context_len()};
    return out;
  }
  int64_t context_len() const override { return 21; }
  int64_t vocab_size() const override { return kSmallVocab; }
};

const std::vector<json> kModels = {
    {{"architecture", "llama"}, {"n_layers", 2}, {"attention_bias", true}},
    {{"architecture", "subllm"}, {"structure", "T(T(T)T)T"}, {"scorer", {{"init_std", 0.3}}}},
    {{"architecture", "subllm"},
     {"structure", "(T(T)T)"},
     {"attention_log_weight", true},
     {"scorer", {{"init_std", 0.3}}}}};

TrainConfig steps(int64_t n_steps) {
  TrainConfig config;
  config.batch_tokens = 4 * 21;
  config.tokens = n_steps * config.batch_tokens;
  config.learning_rate = 5e-3;
  return config;
}

}  // namespace

TEST_CASE("recomputed blocks give the gradients of kept ones", "[numerics]") {
  at::manual_seed(1);
  for (const json& config : kModels) {
    INFO(config.dump());
    const auto kept = small_model(config, at::kDouble), again = small_model(config, at::kDouble);
    const Batch batch = random_batch({20, 1, 9});
    for (LanguageModel* model : {kept.get(), again.get()}) {
      const Coins coins(1, 0);
      Run run;
      run.mode = Mode::train;
      run.coins = &coins;
      run.recompute = model == again.get();
      lm_loss(run_model(*model, batch, nullptr, run), model->head_weight(), batch.tokens, 30)
          .backward();
    }
    const auto a = kept->parameters(), b = again->parameters();
    for (size_t i = 0; i < a.size(); ++i) {
      INFO(a[i].name);
      CHECK(max_difference(a[i].tensor.grad(), b[i].tensor.grad()) < 1e-12);
    }
  }
}

TEST_CASE("the ledger counts the blocks once more when they are recomputed", "[unit]") {
  const auto model = small_model(kModels[1]);
  Ledger ledger;
  model->add_cost(CostShape::whole_rows(2, 30), ledger);
  double blocks = 0;
  for (const LedgerLine& line : ledger.lines()) blocks += line.layer >= 0 ? line.flops_causal : 0;
  CHECK(ledger.training_flops_causal(false) == Approx(3 * ledger.flops_causal()));
  CHECK(ledger.training_flops_causal(true) == Approx(3 * ledger.flops_causal() + blocks));
}

TEST_CASE("bfloat16 training follows float32 and gives float32 weights back", "[learning]") {
  for (const json& config : kModels) {
    INFO(config.dump());
    TrainConfig whole = steps(60), half = whole;
    half.dtype = "bfloat16";
    const auto a = small_model(config), b = small_model(config);
    const auto exact = train(*a, Counting(), whole, 1, {});
    const auto rounded = train(*b, Counting(), half, 1, {});
    REQUIRE(rounded.outcome == "ok");
    CHECK(rounded.curve.front().loss_nats == Approx(exact.curve.front().loss_nats).epsilon(0.02));
    CHECK(rounded.curve.back().loss_nats < 0.7 * rounded.curve.front().loss_nats);
    CHECK(rounded.curve.back().loss_nats == Approx(exact.curve.back().loss_nats).margin(0.4));
    CHECK(b->dtype() == at::kFloat);
    // Small updates would be lost in bfloat16 itself: the weights are finer than its grid.
    const at::Tensor weight = b->parameters()[0].tensor;
    CHECK_FALSE(weight.to(at::kBFloat16).to(at::kFloat).equal(weight));
  }
}

TEST_CASE("selections of about 200 steps are described", "[unit]") {
  const auto model = small_model(kModels[1]);
  const auto result = train(*model, Counting(), steps(30), 1, {});
  REQUIRE(result.selection.size() == 60);
  for (const SelectionPoint& point : result.selection) {
    CHECK(point.drift == Approx(14.0 / 21 - point.above_threshold).margin(0.08));
    CHECK(point.inside <= point.above_threshold);
    CHECK(point.bypass_min <= point.bypass_mean);
    CHECK(point.bypass_mean <= point.bypass_max);
    CHECK((point.score_entropy >= 0 && point.score_entropy <= 1));
  }
  CHECK(result.selection.back().step == 29);
}
