// Memory: what the tensors take is what the ledger says, and the same in every run.
#include <c10/util/Exception.h>

#include <catch2/catch.hpp>

#include "core/schema/bench.h"
#include "core/schema/record.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/plan/cost_estimate.h"
#include "experiments/train/optimizer.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

constexpr int64_t kContext = 128, kVocab = 700;

class RandomRows : public RowSource {
 public:
  TokenRow row(int64_t index) const override {
    RandomSequence random(static_cast<uint64_t>(index) + 1);
    TokenRow out;
    for (int64_t t = 0; t < kContext; ++t) {
      out.tokens.push_back(static_cast<int64_t>(random.below(kVocab)));
      out.labels.push_back(static_cast<int64_t>(random.below(kVocab)));
      out.positions.push_back(t);
    }
    out.lengths = {kContext};
    return out;
  }
  int64_t context_len() const override { return kContext; }
  int64_t vocab_size() const override { return kVocab; }
};

std::unique_ptr<LanguageModel> model_of(json config) {
  config["d_model"] = 96;
  return small_model(config, at::kFloat, kVocab);
}

const std::vector<json> kConfigs = {
    {{"architecture", "llama"}, {"n_layers", 6}},
    {{"architecture", "llama"}, {"n_layers", 4}, {"n_kv_heads", 2}, {"tied_head", true}},
    {{"architecture", "subllm"}, {"structure", "TT(TTT)TT"}, {"retention", 0.5}}};

/// Measured / ledger.
double share(double estimate) { return static_cast<double>(peak_tensor_bytes()) / estimate; }

}  // namespace

TEST_CASE("tensor bytes are counted, their peak too, and limited when asked", "[unit]") {
  count_tensor_bytes();
  const int64_t before = live_tensor_bytes();
  reset_peak_tensor_bytes();
  at::Tensor a = at::zeros({1000});
  CHECK(live_tensor_bytes() == before + 4000);
  a = at::Tensor();
  CHECK(live_tensor_bytes() == before);
  CHECK(peak_tensor_bytes() == before + 4000);
  limit_tensor_bytes(before + 5000);
  CHECK_THROWS_AS(at::zeros({2000}), c10::OutOfMemoryError);
  CHECK_NOTHROW(at::zeros({1000}));
  limit_tensor_bytes(0);
  CHECK(live_tensor_bytes() == before);
}

TEST_CASE("training takes the bytes that the ledger says, within a tenth", "[numerics]") {
  count_tensor_bytes();
  for (const json& config : kConfigs)
    for (const auto& [pass_tokens, dtype, recompute] :
         std::vector<std::tuple<int64_t, std::string, bool>>{
             {0, "float32", false},         // activations decide
             {kContext, "float32", false},  // gradients do, beside those of earlier passes
             {0, "float32", true},
             {0, "bfloat16", false}}) {
      INFO(config.dump() << " " << pass_tokens << " " << dtype << (recompute ? " again" : ""));
      const int64_t before = live_tensor_bytes();
      const auto model = model_of(config);
      TrainConfig train_config;
      train_config.batch_tokens = 16 * kContext;
      train_config.micro_batch_tokens = pass_tokens;
      train_config.tokens = 2 * train_config.batch_tokens;
      train_config.dtype = dtype;
      train_config.recompute = recompute;
      reset_peak_tensor_bytes();
      REQUIRE(train(*model, RandomRows(), train_config, 1, {}).outcome == "ok");
      const double estimate = training_memory(*model, train_config, kContext).peak;
      CHECK(share(estimate + static_cast<double>(before)) > 0.9);
      CHECK(share(estimate + static_cast<double>(before)) < 1.1);
    }
}

TEST_CASE("inference takes the bytes that the ledger says, within a tenth, and no gradients",
          "[numerics]") {
  count_tensor_bytes();
  at::NoGradGuard no_grad;
  for (const json& config : kConfigs)
    for (const int64_t rows : {1, 8}) {
      INFO(config.dump() << " " << rows);
      const auto before = static_cast<double>(live_tensor_bytes());
      const auto model = model_of(config);
      const EvenKeeps keeps(model->selection_sites());
      Run run;
      run.mode = Mode::step;
      if (!model->selection_sites().empty()) run.forced = &keeps;
      const auto state = model->new_state(rows, kContext + 1);
      const at::Tensor tokens = at::randint(0, kVocab, {rows * kContext}, at::kLong);
      reset_peak_tensor_bytes();
      run_model(*model, continue_rows(*state, tokens, std::vector<int64_t>(rows, kContext)),
                state.get(), run);
      const double prompt = share(before + prefill_memory(*model, rows, kContext).peak);
      CHECK(prompt > 0.9);
      CHECK(prompt < 1.1);
      reset_peak_tensor_bytes();
      run_model(*model,
                continue_rows(*state, tokens.slice(0, 0, rows), std::vector<int64_t>(rows, 1)),
                state.get(), run);
      const double step = share(before + decode_memory(*model, rows, kContext).peak);
      CHECK(step > 0.9);
      CHECK(step < 1.1);
      CHECK(static_cast<double>(state->n_bytes()) ==
            Approx(decode_memory(*model, rows, kContext).cache).epsilon(0.02));
    }
}

TEST_CASE("a trial's memory does not depend on what ran before it", "[end_to_end]") {
  const Workplace place;
  const json edits = {{"variants",
                       {{"llama", {{"model.n_layers", 6}}},
                        {"subllm", nullptr},
                        {"shallow", {{"model.n_layers", 4}}}}},
                      {"base",
                       {{"model", {{"d_model", 32}}},
                        {"measure", {{"context", {16}}, {"modes", {"train", "decode"}}}}}}};
  place.write("tiny.json", place.study(edits).dump());
  const auto peaks = [&](const std::string& out, const std::string& more) {
    const Ran ran = place.run("run tiny.json --out " + out + more);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    std::map<std::string, double> found;
    for (const Record& record : read_records(place.path(out)))
      for (const Metric& metric : record.metrics)
        if (metric.name == "peak_memory_bytes" || metric.name == "live_memory_bytes")
          found[record.variant + " " + metric.name + metric.conditions.dump()] = *metric.value;
    return found;
  };
  const auto first = peaks("a", "");
  CHECK(first.size() == 8);
  CHECK(first == peaks("b", " --jobs 2"));
  const std::string name = R"( peak_memory_bytes{"phase":"train"})";
  CHECK(first.at("llama" + name) > 1.2 * first.at("shallow" + name));
  for (const auto& entry : fs::directory_iterator(place.path("a/bench"))) {
    BenchFile bench;
    read_fields(parse_json(read_file(entry.path()), "bench"), "bench", bench);
    const BenchSeries* training = bench.measurements.at(0).find("llama");
    const BenchSeries* decoding = bench.measurements.at(1).find("llama");
    CHECK(training->peak_memory_bytes ==
          bench.measurements.at(0).find("llama", true)->peak_memory_bytes);
    CHECK(decoding->peak_memory_bytes <
          0.5 * training->peak_memory_bytes);  // no moments, no gradients
  }
}
