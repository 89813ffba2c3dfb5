// Memory that runs out is an outcome of a cell or a trial, and the rest goes on.
#include <catch2/catch.hpp>

#include "core/schema/bench.h"
#include "core/schema/record.h"
#include "experiments/measure/cell.h"
#include "experiments/measure/memory_fit.h"
#include "experiments/plan/cost_estimate.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

PlannedTrial planned(const std::string& variant) {
  PlannedTrial out;
  out.variant = variant;
  out.id = "id-" + variant;
  return out;
}

RoundResult round_of(double seconds, double cost) {
  RoundResult out;
  out.seconds = seconds;
  out.tokens = 10;
  out.cost = cost;
  return out;
}

BenchFile bench_of(const fs::path& folder) {
  BenchFile out;
  for (const auto& entry : fs::directory_iterator(folder / "bench"))
    read_fields(parse_json(read_file(entry.path()), "bench"), "bench", out);
  return out;
}

}  // namespace

TEST_CASE("workers share a card as far as the ledger needs it", "[unit]") {
  constexpr double kGb = 1e9;
  const std::vector<CellMemory> models = {{16 * kGb, 30 * kGb}, {16 * kGb, 25 * kGb}};
  const auto shared = [&](double gigabytes) {
    const MemorySharing found = share_memory(models, 0, gigabytes * kGb);
    return std::pair(found.gives_memory_back, found.reference_shares_process);
  };
  // All peaks: 30 + 25 + 30. What stays: 16 * 3, and the largest of what comes and goes, 14.
  CHECK(shared(141) == std::pair(false, false));
  CHECK(shared(80) == std::pair(true, false));
  CHECK(shared(64) == std::pair(true, true));
  CHECK(shared(0) == std::pair(false, false));  // not known
}

TEST_CASE("a cell that ran out of memory has a series that says so and no ratio", "[unit]") {
  const PlannedTrial llama = planned("llama"), sub = planned("sub"), large = planned("large");
  const RoundOrder order{.mode = "train", .context = 64, .batch = 2};
  SubjectRounds reference{&llama, false, 100, {round_of(2, 8)}, ""},
      own{&sub, false, 80, {round_of(1, 4)}, ""},
      failed{&large, false, 900, {}, "tried to take 900 bytes"};
  BenchMeasurement found = measurement_of(order, {reference, own, failed}, "llama");
  CHECK(found.find("sub")->ideal_speedup == 2);
  CHECK_FALSE(found.find("sub")->ideal_speedup_weighted);  // nobody measured the rates
  CHECK_FALSE(found.find("large"));
  REQUIRE(found.out_of_memory("large"));
  CHECK(found.out_of_memory("large")->detail == "tried to take 900 bytes");
  CHECK(found.out_of_memory("large")->ledger_memory_bytes == 900);
  CHECK_FALSE(found.out_of_memory("sub"));
  BenchFile file, again;
  file.measurements = {found};
  read_fields(write_fields(file), "bench", again);
  CHECK(write_fields(again) == write_fields(file));
  reference.rounds.clear();
  reference.out_of_memory = "too large";
  found = measurement_of(order, {reference, own, failed}, "llama");
  CHECK(found.find("sub")->ideal_speedup == 1);
  CHECK_FALSE(found.find("llama"));
}

TEST_CASE("advice names the largest pass that fits, and recomputing where no row does",
          "[contract]") {
  const auto model = small_model({{"architecture", "llama"}, {"n_layers", 8}});
  TrainConfig config;
  constexpr int64_t kContext = 256;
  config.batch_tokens = 64 * kContext;
  const auto peak = [&](int64_t rows, bool recompute = false) {
    TrainConfig own = config;
    own.micro_batch_tokens = rows * kContext;
    own.recompute = recompute;
    return training_memory(*model, own, kContext).peak;
  };
  const auto advice = [&](double room) { return memory_advice(*model, config, kContext, room); };
  CHECK_THAT(advice(2 * peak(64)), Contains("by the ledger") && !Contains("would fit"));
  for (const int64_t rows : {1, 5, 63}) {
    INFO(rows);
    CHECK_THAT(advice(peak(rows) * 1.001),
               Contains("micro_batch_tokens " + std::to_string(rows * kContext) + " (") &&
                   Contains("would fit"));
  }
  REQUIRE(peak(1, true) < peak(1));
  CHECK_THAT(advice(0.5 * (peak(1, true) + peak(1))), Contains("recompute"));
  CHECK_THAT(advice(1000), Contains("not even one row"));
}

TEST_CASE("a measurement goes on where a cell does not fit, and is not tried where none could",
          "[end_to_end]") {
  const Workplace place;
  // Address space for one row of 4096 tokens, not for 4096; for 2^16 few machines have the memory.
  const json edits = {
      {"base",
       {{"measure",
         {{"modes", {"prefill"}}, {"context", {4096}}, {"batch", {4096, 1 << 16, 1}}}}}}};
  place.write("tiny.json", place.study(edits).dump());
  const Ran ran = place.run("bench tiny.json", "ulimit -v 5000000; MALLOC_ARENA_MAX=1");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const BenchFile bench = bench_of(place.path("results/tiny"));
  REQUIRE(bench.measurements.size() == 3);
  for (const BenchMeasurement& measurement : bench.measurements)
    for (const char* variant : {"llama", "subllm"}) {
      INFO(measurement.batch << " " << variant);
      if (measurement.batch == 1) {
        CHECK(measurement.find(variant));
        continue;
      }
      const BenchSeries* ran_out = measurement.out_of_memory(variant);
      REQUIRE(ran_out);
      CHECK(*ran_out->ledger_memory_bytes > 1e9);
      CHECK_THAT(ran_out->detail, Contains("memory") || Contains("not tried"));
    }
  CHECK_THAT(ran.out, Contains("out of memory"));
  CHECK_THAT(ran.err, Contains("llama is out of memory"));
}

TEST_CASE("a trial that runs out of memory says what it needs and what would fit", "[end_to_end]") {
  const Workplace place;
  const json edits = {{"variants", {{"subllm", nullptr}}},
                      {"base", {{"train", {{"tokens", 4'000'000}, {"batch_tokens", 2'000'000}}}}}};
  place.write("tiny.json", place.study(edits).dump());
  const Ran ran = place.run("run tiny.json", "ulimit -v 5000000; MALLOC_ARENA_MAX=1");
  INFO(ran.err);
  const auto records = read_records(place.path("results/tiny"));
  REQUIRE(records.size() == 1);
  CHECK(records[0].outcome == "out_of_memory");
  CHECK_THAT(records[0].detail, Contains("by the ledger"));
}
