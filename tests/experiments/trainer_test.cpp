// Training as a value: put away and taken up again it goes on with the same bits, and ranks of a
// group take one step together.
#include <catch2/catch.hpp>

#include "experiments/train/train.h"
#include "tests/experiments/noise_rows.h"
#include "tests/models/small_models.h"
#include "tests/temporary_folder.h"
#include "tests/thread_group.h"

using namespace sublab;
using Catch::Contains;

namespace {

TrainConfig steps(int64_t n_steps, int64_t rows = 4) {
  TrainConfig config;
  config.batch_tokens = rows * 20;
  config.tokens = n_steps * config.batch_tokens;
  config.learning_rate = 5e-3;
  return config;
}

const json kSubllm = {
    {"architecture", "subllm"}, {"structure", "T(T(T)T)T"}, {"scorer", {{"init_std", 0.3}}}};

void check_same(const LanguageModel& a, const LanguageModel& b, double margin = 0) {
  const auto left = a.parameters(), right = b.parameters();
  REQUIRE(left.size() == right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    INFO(left[i].name);
    CHECK(max_difference(left[i].tensor, right[i].tensor) <= margin);
  }
}

}  // namespace

TEST_CASE("a trainer that was put away goes on with the same bits", "[numerics]") {
  TrainConfig half = steps(20), passes = steps(20), again = steps(20);
  half.dtype = "bfloat16";
  passes.micro_batch_tokens = 20;
  again.recompute = true;
  for (const TrainConfig& config : {steps(20), half, passes, again})
    for (const json& given : {json{{"architecture", "llama"}, {"n_layers", 2}}, kSubllm}) {
      INFO(given.dump() << write_fields(config).dump());
      const auto whole = small_model(given), first = small_model(given),
                 second = small_model(given);
      const Noise rows;
      const TrainingResult all = train(*whole, rows, config, 3, {});
      const TemporaryFolder folder;
      {
        Trainer trainer(*first, rows, config, 3);
        for (int i = 0; i < 5; ++i) trainer.step();
        trainer.save(folder.path / "state");
        for (int i = 0; i < 5; ++i) trainer.step();
        trainer.save(folder.path / "state");
        trainer.step();  // what comes after is not in the state
      }
      CHECK(folder_entries(folder.path / "state").size() == 2);  // that of step 5 is gone
      Trainer trainer(*second, rows, config, 3);
      trainer.load(folder.path / "state");
      CHECK(trainer.n_steps_done() == 10);
      while (!trainer.done()) trainer.step();
      const TrainingResult rest = trainer.finish();
      REQUIRE(rest.curve.size() == all.curve.size());
      for (size_t i = 0; i < all.curve.size(); ++i) {
        CHECK(rest.curve[i].loss_nats == all.curve[i].loss_nats);
        CHECK(rest.curve[i].gradient_norm == all.curve[i].gradient_norm);
        CHECK(rest.curve[i].tokens == all.curve[i].tokens);
      }
      REQUIRE(rest.selection.size() == all.selection.size());
      for (size_t i = 0; i < all.selection.size(); ++i)
        CHECK(rest.selection[i].numbers() == all.selection[i].numbers());
      check_same(*whole, *second);
    }
}

TEST_CASE("gradients of many passes in bfloat16 add up in float32", "[numerics]") {
  at::Tensor weight = at::ones({4}).set_requires_grad(true);
  AdamW optimizer({{"weight", weight}}, TrainConfig{});
  optimizer.halve_weights();
  const auto pass = [&](double gradient) {
    weight.mutable_grad() = at::full({4}, gradient, at::kBFloat16);
    optimizer.add_up_gradients();
  };
  pass(1);
  for (int i = 0; i < 256; ++i) pass(1.0 / 1024);  // each is lost beside 1 in bfloat16
  CHECK(optimizer.gradient_norm().item<double>() == Approx(2 * 1.25).epsilon(1e-6));
  optimizer.clip_gradients(2.5);
  CHECK(optimizer.gradient_norm().item<double>() == Approx(1).epsilon(1e-6));
  optimizer.step(0.1);
  CHECK_FALSE(weight.grad().defined());
  pass(0.5);  // a step begins with nothing
  CHECK(optimizer.gradient_norm().item<double>() == Approx(1).epsilon(1e-6));
}

TEST_CASE("the state of another run is refused", "[unit]") {
  const TemporaryFolder folder;
  const auto model = small_model(kSubllm);
  const Noise rows;
  Trainer trainer(*model, rows, steps(4), 3);
  trainer.step();
  trainer.save(folder.path);
  CHECK_THROWS_WITH(Trainer(*model, rows, steps(4), 4).load(folder.path),
                    Contains("is the state of another run") && Contains("seed"));
  TrainConfig other = steps(4);
  other.learning_rate = 1e-3;
  CHECK_THROWS_WITH(Trainer(*model, rows, other, 3).load(folder.path), Contains("learning_rate"));
  const auto small = small_model({{"architecture", "llama"}, {"n_layers", 1}});
  CHECK_THROWS_AS(Trainer(*small, rows, steps(4), 3).load(folder.path), UserError);
}

TEST_CASE("a group of one is the identity", "[unit]") {
  const OneProcess one;
  CHECK(one.rank() == 0);
  CHECK(one.size() == 1);
  const at::Tensor x = at::arange(6, at::kDouble).view({1, 3, 2});
  at::Tensor sum = x.clone(), sent = x.clone();
  one.all_reduce_sum_(sum);
  one.broadcast_(sent, 0);
  one.barrier();
  CHECK(sum.equal(x));
  CHECK(sent.equal(x));
  CHECK(one.all_gather(x).equal(x));
  CHECK(one.all_to_all(x).equal(x));
  CHECK(one.exchange(x, 0, 0).equal(x));
  CHECK(one.split(7)->size() == 1);
  CHECK_THROWS(one.broadcast_(sent, 1));
  CHECK_THROWS(one.exchange(x, 1, 0));
  CHECK_THROWS(one.all_to_all(at::zeros({2, 3})));
}

TEST_CASE("ranks that share a step take that of one rank", "[numerics]") {
  for (const int64_t n_ranks : {2, 3}) {
    INFO(n_ranks << " ranks");
    // No selection: where one decides by a hair, the order of a sum decides it.
    const json given = {{"architecture", "llama"}, {"n_layers", 2}};
    TrainConfig config = steps(6, 5);  // five passes of a row each, dealt out unevenly
    config.micro_batch_tokens = 20;
    const Noise rows;
    const auto alone = small_model(given, at::kDouble);
    const TrainingResult expected = train(*alone, rows, config, 3, {});
    std::vector<std::unique_ptr<LanguageModel>> models;
    std::vector<TrainingResult> results(n_ranks);
    for (int64_t rank = 0; rank < n_ranks; ++rank)
      models.push_back(small_model(given, at::kDouble));
    on_ranks(n_ranks, [&](const Group& group) {
      results[group.rank()] = train(*models[group.rank()], rows, config, 3, {}, &group);
    });
    for (int64_t rank = 0; rank < n_ranks; ++rank) {
      INFO("rank " << rank << " of " << n_ranks);
      REQUIRE(results[rank].curve.size() == expected.curve.size());
      for (size_t i = 0; i < expected.curve.size(); ++i) {
        CHECK(results[rank].curve[i].loss_nats ==
              Approx(expected.curve[i].loss_nats).epsilon(1e-10));
        CHECK(results[rank].curve[i].gradient_norm ==
              Approx(expected.curve[i].gradient_norm).epsilon(1e-8));
      }
      CHECK(results[rank].tokens == expected.tokens);
      check_same(*models[rank], *alone, 1e-9);
      check_same(*models[rank], *models[0]);
    }
  }
}

TEST_CASE("a group larger than a step's rows is refused", "[unit]") {
  const ThreadGroup group(std::make_shared<Meeting>(9), 0);
  const auto model = small_model(kSubllm);
  const Noise rows;
  CHECK_THROWS_WITH(Trainer(*model, rows, steps(4), 3, &group),
                    Contains("hold 4 rows of data.context_len, for a group of 9 ranks"));
}
