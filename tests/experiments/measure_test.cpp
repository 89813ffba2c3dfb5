// What the speed measurement is made of: the batch search, the memory limit, costs at real keeps.
#include "experiments/measure/measure.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "core/schema/calibration.h"
#include "experiments/machine/calibrate.h"
#include "experiments/measure/batch_search.h"
#include "experiments/observe/keep_counter.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

constexpr double kBudget = 1000;

/// A process that takes `fixed` + `per_row` per row and is stopped above the budget.
BatchSearch search(double fixed, double per_row, double room = 1e9, int64_t most = 1 << 16) {
  return search_largest_batch(
      [=](int64_t batch) {
        const double bytes = fixed + per_row * static_cast<double>(batch);
        CHECK(bytes <= room);
        return bytes > kBudget ? std::nullopt : std::optional(bytes);
      },
      kBudget, room, most);
}

double decode_bytes(const LanguageModel& model, const CostShape& shape) {
  Ledger ledger;
  model.add_cost(shape, ledger);
  return ledger.bytes();
}

}  // namespace

TEST_CASE("the search finds the largest batch that fits", "[unit]") {
  for (const double fixed : {0.0, 10.0, 400.0})
    for (const double per_row : {0.9, 1.0, 7.0, 13.7, 250.0, 599.0}) {
      const BatchSearch found = search(fixed, per_row);
      INFO(fixed << " + " << per_row << " per row");
      CHECK(found.largest == static_cast<int64_t>((kBudget - fixed) / per_row));
      CHECK(found.bytes == Approx(fixed + per_row * static_cast<double>(found.largest)));
      CHECK_FALSE(found.at_limit);
      CHECK(found.tries.size() <= 2 * std::log2(found.largest + 1) + 3);
    }
}

TEST_CASE("the search ends at no row, at its limit and at the machine's memory", "[unit]") {
  CHECK(search(0, 1001).largest == 0);
  CHECK(search(0, 1001).tries.size() == 1);
  const BatchSearch most = search(0, 1, 1e9, 100);
  CHECK(most.largest == 100);
  CHECK(most.at_limit);
  CHECK(search(0, 1, 1e9, 1).at_limit);
  // `search` fails when a batch is tried that the machine has no room for.
  CHECK(search(5, 300, 1050).largest == 3);
  CHECK(search(0, 1, 1000).largest == 1000);
}

TEST_CASE("a measured result above the budget does not fit, though nothing stopped it", "[unit]") {
  const auto found = search_largest_batch(
      [](int64_t batch) { return std::optional(100.0 * static_cast<double>(batch)); }, 750, 1e9,
      64);
  CHECK(found.largest == 7);
  CHECK(found.bytes == 700);
}

TEST_CASE("keeps are counted in tokens and in passes", "[unit]") {
  KeepCounter counter, half;
  const RowsPtr rows = Rows::contiguous({1, 1});
  const auto pass = [&](const std::vector<int64_t>& kept) {
    const at::Tensor index = at::tensor(kept, at::kLong);
    counter.selected(0, {}, *rows, index, {});
  };
  pass({});
  pass({1});
  pass({0, 1});
  pass({});
  CHECK(counter.fractions() == std::vector<double>{3.0 / 8});
  CHECK(counter.reached() == std::vector<double>{0.5});
  CHECK(counter.kept() == std::vector<double>{3});
  half.add_tokens(counter, 0.5);
  CHECK(half.kept() == std::vector<double>{1.5});
  CHECK(half.fractions() == counter.fractions());
}

TEST_CASE("decode bytes count weights where a step entered, caches by what the past kept",
          "[contract]") {
  const auto model =
      small_model({{"architecture", "subllm"}, {"structure", "T(T(T))"}, {"retention", 0.5}});
  CostShape shape = CostShape::decode(4, 100);
  shape.kept_fraction = {0.5, 0.5};
  const double independent = decode_bytes(*model, shape);
  const auto reach = [](double p) { return 1 - std::pow(1 - p, 4); };
  shape.reached_fraction = {reach(0.5), reach(0.25)};
  CHECK(decode_bytes(*model, shape) == Approx(independent));
  // Each block has the same weights; the inner scorer is read in steps that reach level 1.
  double block = 0;
  for (const Parameter& parameter : model->parameters())
    if (parameter.name.starts_with("model.layers.0.") && parameter.tensor.dim() == 2)
      block += static_cast<double>(parameter.tensor.nbytes());
  const double without = decode_bytes(*model, shape);
  shape.reached_fraction[1] += 0.125;
  CHECK(decode_bytes(*model, shape) - without == Approx(0.125 * block));
  // 100 past tokens per row: keys and values of 32 numbers in two inner caches.
  shape.past_kept_fraction = {0.25, 0.5};
  const double less = 4 * 2 * 32 * 4 * (0.5 * 25 + 0.25 * 12.5);
  CHECK(decode_bytes(*model, shape) < without + 0.125 * block);
  CHECK(without + 0.125 * block - decode_bytes(*model, shape) == Approx(less));
}

TEST_CASE("a calibration gives its best rate, a roofline the longer time", "[unit]") {
  Calibration rates;
  rates.matmuls = {{"float32", {256, 256, 256}, 20},
                   {"float32", {512, 512, 512}, 50},
                   {"float32", {64, 128, 256}, 40},
                   {"bfloat16", {512, 512, 512}, 400}};
  rates.read_gb_per_s = 10;
  CHECK(rates.flops_per_s() == 50e9);
  CHECK(rates.flops_per_s("bfloat16") == 400e9);
  CHECK(rates.flops_per_s("tf32") == 0);
  CHECK(rates.flops_per_s_by_dtype() == json{{"float32", 50e9}, {"bfloat16", 400e9}});
  const json stated = rates.to_json();
  CHECK(stated.at("matmul_512_gflops_per_s") == 50);
  CHECK(stated.at("matmul_bfloat16_512_gflops_per_s") == 400);
  CHECK(stated.at("matmul_64x128x256_gflops_per_s") == 40);
  CHECK(matmul_ceiling(stated, "float32")->per_s == 50e9);
  CHECK(matmul_ceiling(stated, "bfloat16")->of == "bfloat16, 512");
  CHECK_FALSE(matmul_ceiling(stated, "tf32"));
  CHECK(read_ceiling(stated)->per_s == 10e9);
  CHECK(roofline_seconds(100e9, 10e9, rates.flops_per_s(), rates.read_bytes_per_s()) == 2);
  CHECK(roofline_seconds(10e9, 10e9, rates.flops_per_s(), rates.read_bytes_per_s()) == 1);
}

TEST_CASE("a worker measures a round, and stops when it passes its memory", "[end_to_end]") {
  const Workplace place;
  const json edits = {{"base", {{"measure", {{"context", {16}}}}}}};
  place.write("tiny.json", place.study(edits).dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const Plan plan = read_plan(place.path("results/tiny"));
  RoundOrder order{"decode", 16, 2, 4, 0, 2, {{"float32", 1e9}}, 1e9};
  for (const PlannedTrial* trial : measured_trials(plan)) {
    write_trial_order(place.path("results/tiny"), order_of(plan, *trial));
    place.write("order.json", write_fields(order).dump() + "\n");
    const std::string command = "bench-worker results/tiny " + trial->id + " --parent $$ ";
    const Ran ran = place.run(command + "--memory-budget 1e9 < order.json");
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    RoundResult result;
    read_fields(json::parse(ran.out), "result", result);
    CHECK(result.tokens == 16);
    CHECK(result.assumed_keeps == (trial->variant == "subllm"));  // not trained here
    CHECK(result.time_to_first_token_ms > 0);
    CHECK(result.token_latency_ms <= result.token_latency_ms_p95);
    CHECK(result.roofline_s * 1e9 >=
          result.cost * (1 - 1e-9));               // bytes at 1 GB/s, or more for FLOPs
    CHECK(result.bytes_per_token == result.cost);  // what a decode round's cost is
    CHECK(result.flops_per_token > 0);
    const double rows = trial->variant == "llama" ? 2 * 2 * 20 : 2 * 20;  // two layers, or one
    CHECK(result.kv_cache_bytes >= rows * 2 * 16 * 4);
    // Again in half the bytes, in the state that the round before left; then in another shape.
    RoundOrder half = order, longer = order;
    half.dtype = longer.dtype = "bfloat16";
    longer.context = 24;
    place.write("order.json", write_fields(half).dump() + "\n" + write_fields(half).dump() + "\n" +
                                  write_fields(longer).dump() + "\n");
    std::istringstream answers(place.run(command + "< order.json").out);
    std::vector<RoundResult> rounds(3);
    for (RoundResult& round : rounds) {
      std::string line;
      REQUIRE(std::getline(answers, line));
      read_fields(json::parse(line), "result", round);
      CHECK(round.dtype == "bfloat16");
    }
    CHECK(rounds[0].kv_cache_bytes == result.kv_cache_bytes / 2);
    CHECK(rounds[1].kv_cache_bytes == rounds[0].kv_cache_bytes);
    CHECK(rounds[1].bytes_per_token == rounds[0].bytes_per_token);
    CHECK(rounds[0].bytes_per_token < result.bytes_per_token);
    CHECK(rounds[2].kv_cache_bytes > rounds[1].kv_cache_bytes);
  }
  order.batch = 4096;
  order.mode = "train";
  place.write("order.json", write_fields(order).dump() + "\n");
  const std::string id = measured_trials(plan).front()->id;
  CHECK(
      place.run("bench-worker results/tiny " + id + " --parent $$ --memory-budget 5e7 < order.json")
          .code == kOutOfMemoryExit);
}
