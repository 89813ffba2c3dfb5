// A study folder written by hand: two variants of SUBLLM and Llama, a speed measurement,
// accuracies.
#pragma once

#include "core/schema/bench.h"
#include "core/schema/claim.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/temporary_folder.h"

namespace sublab {

inline json claims_config(const std::string& architecture, double retention) {
  json model = {{"architecture", architecture}, {"d_model", 64}, {"n_layers", 4}};
  if (architecture == "subllm") model.update({{"retention", retention}, {"scorer", "learned"}});
  return {
      {"model", model},
      {"data",
       {{"corpus", {"notes"}}, {"context_len", 512}, {"tokenizer", "bytes"}, {"train_on", "text"}}},
      {"train",
       {{"tokens", 1000},
        {"batch_tokens", 512},
        {"learning_rate", 1e-3},
        {"final_learning_rate", 0.1},
        {"dtype", "float32"}}}};
}

struct ClaimsFixture {
  Plan plan;
  BenchFile bench;
  std::vector<Record> records;

  ClaimsFixture() {
    plan.study = "fixture";
    plan.compare_to = bench.compare_to = "llama";
    plan.seeds = {1};
    for (const auto& [name, retention] : std::vector<std::pair<std::string, double>>{
             {"llama", 1}, {"sub_0.64", 0.64}, {"sub_0.5", 0.5}}) {
      PlannedTrial trial;
      trial.id = "id-" + name;
      trial.variant = name;
      trial.seed = 1;
      trial.config = claims_config(name == "llama" ? "llama" : "subllm", retention);
      plan.variants.push_back(name);
      plan.trials.push_back(trial);
    }
    // Speed-ups of sub_0.64: train 1.25, prefill 0.8, decode unclear.
    add_mode("train", 2.0, 1.6);
    add_mode("prefill", 2.0, 2.5);
    add_mode("decode", 2.0, 2.0);
    for (size_t r = 0; r < 9; ++r) series("decode", 2).seconds[r] = r % 2 ? 1.6 : 2.5;
    series("decode", 0).kv_cache_bytes = 1000;
    series("decode", 2).kv_cache_bytes = 600;
  }

  /// Adds llama, llama again and sub_0.64 with nine equal rounds.
  void add_mode(const std::string& mode, double reference, double own) {
    BenchMeasurement measurement{mode, 512, 1, "float32", {}};
    for (const auto& [variant, repeat, seconds] :
         std::vector<std::tuple<std::string, int64_t, double>>{
             {"llama", 0, reference}, {"llama", 1, reference}, {"sub_0.64", 0, own}}) {
      BenchSeries series;
      series.variant = variant;
      series.repeat_of_reference = repeat;
      series.tokens_per_round = 100;
      series.seconds = std::vector<double>(9, seconds);
      series.peak_memory_bytes = variant == "llama" ? 1000 + 10 * static_cast<double>(repeat) : 800;
      measurement.series.push_back(series);
    }
    bench.measurements.push_back(measurement);
  }

  /// Series 0 is llama, 1 llama again, 2 sub_0.64.
  BenchSeries& series(const std::string& mode, size_t i) {
    for (BenchMeasurement& measurement : bench.measurements)
      if (measurement.mode == mode) return measurement.series.at(i);
    throw std::out_of_range(mode);
  }

  /// One record of a variant with one metric; further seeds are added to the plan.
  void add_metric(const std::string& variant, int64_t seed, const std::string& name, double value,
                  const json& conditions = json::object()) {
    Record record;
    record.variant = variant;
    record.seed = seed;
    record.metrics = {{name, value, conditions, ""}};
    for (const PlannedTrial& trial : plan.trials)
      if (trial.variant == variant && trial.seed == 1) {
        PlannedTrial again = trial;
        again.seed = seed;
        record.config = trial.config;
        again.id = record.id = "id-" + variant + "-" + name + "-" + std::to_string(seed);
        plan.trials.push_back(again);
        break;
      }
    if (seed > 1) plan.seeds.push_back(seed);
    records.push_back(record);
  }

  void write(const fs::path& folder) const {
    write_plan(folder, plan);
    for (const Record& record : records)
      write_record(folder / "records" / (record.id + ".json"), record);
    write_file_durably(folder / "bench/fixture.json", write_fields(bench).dump());
  }
};

/// "SUBLLM at 0.64 trains 1.25 times as fast", under the very protocol of the fixture.
inline json fixture_claim(const json& edits = json::object()) {
  json claim = {{"claim", "SUBLLM is 1.25 times as fast"},
                {"source", "a paper"},
                {"metric", "speedup_train"},
                {"expected", 1.25},
                {"tolerance", {{"ratio", 0.05}}},
                {"protocol",
                 {{"architecture", "subllm"},
                  {"reference", "llama"},
                  {"retention", 0.64},
                  {"d_model", 64},
                  {"context", 512},
                  {"batch", 1},
                  {"dtype", "float32"},
                  {"device", "cpu"}}},
                {"scale", {"d_model", "context", "batch"}}};
  claim.merge_patch(edits);
  return claim;
}

}  // namespace sublab
