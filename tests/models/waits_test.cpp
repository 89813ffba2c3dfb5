// How often the host waits for the device. What would be a synchronisation on a card is a read, or
// a copy to the device that does not go by itself; the second device counts both.
#include <catch2/catch.hpp>

#include "experiments/generate/generate.h"
#include "experiments/train/trainer.h"
#include "models/parts/lm_head.h"
#include "tests/models/second_device.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

const json kLlama = {{"architecture", "llama"}, {"n_layers", 3}};
const json kSubllm = {{"architecture", "subllm"},
                      {"structure", "T(T(TT)T)T"},
                      {"scorer", {{"type", "learned"}, {"init_std", 0.5}}}};

/// The model of a config on the second device, in fp64.
std::unique_ptr<LanguageModel> model_there(const json& config) {
  const Catalog& catalog = tree_catalog();
  json given = config;
  given["d_model"] = 32, given["n_heads"] = 4;
  const ArchitectureEntry& entry = catalog.architecture(given.at("architecture"), "test");
  auto model = entry.make(entry.resolve(given, "/model", catalog.parts), kSmallVocab,
                          {1, second_device()}, catalog.parts);
  convert_model(*model, at::kDouble);
  return model;
}

/// Rows of text that anybody could have written.
class Counted : public RowSource {
 public:
  TokenRow row(int64_t index) const override {
    ++n_made;
    TokenRow out;
    for (int64_t t = 0; t < context_len(); ++t) {
      out.tokens.push_back((7 * index + 3 * t) % kSmallVocab);
      out.labels.push_back((7 * index + 3 * t + 3) % kSmallVocab);
      out.positions.push_back(t);
    }
    out.lengths = {context_len()};
    return out;
  }
  int64_t context_len() const override { return 16; }
  int64_t vocab_size() const override { return kSmallVocab; }
  mutable int64_t n_made = 0;
};

/// Waits of `n` steps of one token in each of two rows.
int64_t waits_of_steps(const json& config, int64_t n) {
  const at::NoGradGuard no_grad;
  const auto model = model_there(config);
  const auto state = model->new_state(2, 16);
  Run run;
  run.mode = Mode::step;
  const at::Tensor text = at::randint(kSmallVocab, {n, 2}, at::kLong).to(second_device());
  const Transfers transfers;
  for (int64_t t = 0; t < n; ++t) {
    const Batch batch = continue_rows(*state, text[t], {1, 1});
    next_logits(run_model(*model, batch, state.get(), run), *batch.rows, model->head_weight());
  }
  return transfers.waits();
}

}  // namespace

TEST_CASE("waits are counted as a card would have them", "[contract]") {
  const at::Tensor here = at::ones({3});
  const Transfers transfers;
  const at::Tensor there = here.to(second_device());
  CHECK(transfers.waits() == 1);
  here.to(second_device(), at::kFloat, /*non_blocking=*/true);
  CHECK(transfers.waits() == 1);
  CHECK(there.sum().item<double>() == 3);
  CHECK(transfers.waits() == 2);
}

TEST_CASE("the host waits once in a training step, whatever the depth", "[contract]") {
  for (const json& config : {kLlama, kSubllm})
    for (const int64_t rows_per_pass : {4, 1}) {
      INFO(config.dump() << ", " << rows_per_pass);
      const auto model = model_there(config);
      const Counted rows;
      TrainConfig train;
      train.batch_tokens = 4 * rows.context_len();
      train.micro_batch_tokens = rows_per_pass * rows.context_len();
      train.tokens = 1000 * train.batch_tokens;  // more steps than are looked at
      Trainer trainer(*model, rows, train, 1);
      trainer.step();  // the first one is looked at
      const Transfers transfers;
      trainer.step();
      CHECK(transfers.waits() == 1);
      // Rows of the next step are made while the device computes, and each once.
      CHECK(rows.n_made == 4 * 3);
    }
}

TEST_CASE("Llama decodes without a wait, SUBLLM waits once per site and token", "[contract]") {
  CHECK(waits_of_steps(kLlama, 8) == 0);
  CHECK(waits_of_steps(kSubllm, 8) <= 2 * 8);
  CHECK(waits_of_steps(kSubllm, 8) >= 8);
}

TEST_CASE("greedy tokens are chosen on the device and read several at once", "[contract]") {
  const auto model = model_there(kLlama);
  GenerateConfig config;
  config.max_tokens = 33;
  std::vector<int64_t> heard;
  const Transfers transfers;
  const Generated made =
      generate(*model, {5, 6, 7}, 0, {}, config, [&](int64_t token) { heard.push_back(token); });
  CHECK(transfers.waits() == 3);  // the first token, and twice sixteen
  CHECK(made.ids.size() == 33);
  CHECK(heard == made.ids);
  CHECK(made.n_steps == 32);
  const auto here = small_model({{"architecture", "llama"}, {"n_layers", 3}}, at::kDouble);
  CHECK(copy_shared_weights(*model, *here, "test").empty());
  CHECK(generate(*here, {5, 6, 7}, 0, {}, config, [](int64_t) {}).ids == made.ids);
  const std::vector<int64_t> stops = {made.ids[9]};
  const Generated stopped = generate(*model, {5, 6, 7}, 0, stops, config, [](int64_t) {});
  CHECK(stopped.stopped_by == made.ids[9]);
  CHECK(stopped.ids.size() <= 9);
}
