// A threshold that follows training: what it learns, and what it then keeps.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/models/small_models.h"

using namespace sublab;

namespace {

std::unique_ptr<Selector> expert_threshold(const json& settings = json::object()) {
  json choice = settings;
  choice["type"] = "expert_threshold";
  return make_choice(tree_catalog().parts.selectors, "selector", choice, "test", {});
}

double learned(const Selector& selector) { return selector.buffers().at(0).tensor.item<double>(); }

/// One pass of training over `raw` scores, as a router does it.
void learn(const Selector& selector, const at::Tensor& raw, double retention) {
  const at::Tensor scores = raw - selector.threshold(), weights = scores.clamp(0, 1);
  const RowsPtr rows = Rows::contiguous({scores.size(0)});
  selector.learn({scores, weights, *rows, retention, 0, Run{}, nullptr});
}

double kept_share(const Selector& selector, const at::Tensor& raw) {
  const at::Tensor scores = raw - selector.threshold(), weights = scores.clamp(0, 1);
  const RowsPtr rows = Rows::contiguous({scores.size(0)});
  const Selection out = selector.select({scores, weights, *rows, 0.5, 0, Run{}, nullptr});
  return static_cast<double>(out.index.numel()) / static_cast<double>(raw.numel());
}

}  // namespace

TEST_CASE("expert_threshold moves by its rate towards the quantile of a pass", "[unit]") {
  const auto selector = expert_threshold({{"rate", 0.25}});
  const at::Tensor raw = at::tensor({5.0, 1.0, 4.0, 2.0, 3.0});
  learn(*selector, raw, 0.4);  // 3 of 5 lie below, between 3 and 4
  CHECK(learned(*selector) == Approx(0.25 * 3.5));
  learn(*selector, raw, 0.4);
  CHECK(learned(*selector) == Approx(0.25 * 3.5 + 0.25 * (3.5 - 0.25 * 3.5)));
  const double before = learned(*selector);
  for (const double all_or_none : {1.0, 0.01}) learn(*selector, raw, all_or_none);
  CHECK(learned(*selector) == before);
}

TEST_CASE("whatever the scores' mean and scale, the share above comes to be the retention",
          "[unit]") {
  at::manual_seed(2);
  for (const auto& [mean, scale] : {std::pair(0.0, 1.0), {-40.0, 0.1}, {300.0, 25.0}})
    for (const double d : {0.8, 0.64, 0.5}) {
      INFO(mean << " " << scale << " " << d);
      const auto selector = expert_threshold({{"rate", 0.05}});
      for (int i = 0; i < 300; ++i)
        learn(*selector, at::randn({256}, at::kDouble) * scale + mean, d);
      const at::Tensor fresh = at::randn({20000}, at::kDouble) * scale + mean;
      CHECK(kept_share(*selector, fresh) == Approx(d).margin(0.02));
    }
}

TEST_CASE("its threshold setting dials what was learned", "[unit]") {
  const auto dialled = expert_threshold({{"threshold", 0.5}});
  learn(*dialled, at::tensor({1.0, 2.0, 3.0, 4.0}), 0.5);
  CHECK(dialled->threshold().item<double>() == Approx(learned(*dialled) + 0.5));
}

TEST_CASE("a router that trains by a threshold evaluates by the same one", "[unit]") {
  const auto model = small_model({{"architecture", "subllm"},
                                  {"structure", "T(T)T"},
                                  {"train_selector", "expert_threshold"},
                                  {"evaluate_selector", "expert_threshold"}});
  at::manual_seed(3);
  const Batch batch = random_batch({40, 40});
  const auto thresholds = [&] {
    for (const Buffer& buffer : model->buffers())
      if (buffer.name.ends_with(".selector.threshold")) return buffer.tensor.item<double>();
    return std::nan("");
  };
  const Coins coins(1, 0);
  Run run;
  run.mode = Mode::train;
  run.coins = &coins;
  CHECK(thresholds() == 0);
  for (int i = 0; i < 50; ++i) run_model(*model, batch, nullptr, run);
  CHECK(thresholds() != 0);
  RecordedKeeps trained, evaluated;
  Run look;
  look.mode = Mode::train;
  look.recorded = &trained;
  run_model(*model, batch, nullptr, look);
  look.mode = Mode::evaluate;
  look.recorded = &evaluated;
  run_model(*model, batch, nullptr, look);
  CHECK(trained.decided == evaluated.decided);
}

TEST_CASE("the cut is that of the scores that evaluation uses, whoever selects in training",
          "[unit]") {
  at::NoGradGuard no_grad;
  at::manual_seed(5);
  const auto model = small_model({{"architecture", "subllm"},
                                  {"structure", "T(T)T"},
                                  {"retention", 0.3},
                                  {"scorer", {{"type", "learned"}, {"init_std", 0.5}}},
                                  {"train_scorer", "recency"}},
                                 at::kDouble);
  const Batch batch = random_batch({400, 400});
  const Coins coins(1, 0);
  Run run;
  run.mode = Mode::train;
  run.coins = &coins;
  for (int i = 0; i < 800; ++i) run_model(*model, batch, nullptr, run);
  RecordedKeeps keeps;
  Run look;
  look.recorded = &keeps;
  run_model(*model, batch, nullptr, look);
  double kept = 0;
  for (const auto& row : keeps.decided.at(0)) kept += std::count(row.begin(), row.end(), 1);
  CHECK(kept / 800 == Approx(0.3).margin(0.01));
}

TEST_CASE("calibration of a scorer without a zero sets the cut that the selector follows",
          "[unit]") {
  at::NoGradGuard no_grad;
  at::manual_seed(4);
  const auto model = small_model({{"architecture", "subllm"},
                                  {"structure", "T(T)T"},
                                  {"retention", 0.5},
                                  {"scorer", "norm"},
                                  {"evaluate_selector", "expert_threshold"}},
                                 at::kDouble);
  const Batch batch = random_batch({40, 40});
  const Coins coins(1, 0);
  Run train;
  train.mode = Mode::train;
  train.coins = &coins;
  for (int i = 0; i < 200; ++i) run_model(*model, batch, nullptr, train);
  model->calibrate({batch});
  RecordedKeeps keeps;
  Run evaluate;
  evaluate.recorded = &keeps;
  run_model(*model, batch, nullptr, evaluate);
  int64_t n_kept = 0;
  for (const auto& row : keeps.decided.at(0)) n_kept += std::count(row.begin(), row.end(), 1);
  CHECK(n_kept == 40);
}
