// The trainer learns, adds up passes correctly, and gives the numbers that it gave before.
#include <catch2/catch.hpp>

#include "experiments/checkpoint/checkpoint.h"
#include "experiments/observe/foretold_choices.h"
#include "experiments/train/train.h"
#include "tests/models/small_models.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

/// Rows of a fixed pattern that repeats: what comes next can be learned.
class Cycle : public RowSource {
 public:
  explicit Cycle(int64_t n_different) : n_different_(n_different) {}
  TokenRow row(int64_t index) const override {
    TokenRow out;
    for (int64_t t = 0; t < context_len(); ++t) {
      out.tokens.push_back(token(index % n_different_, t));
      out.labels.push_back(token(index % n_different_, t + 1));
      out.positions.push_back(t);
    }
    out.lengths = {context_len()};
    return out;
  }
  int64_t context_len() const override { return 24; }
  int64_t vocab_size() const override { return kSmallVocab; }

 private:
  static int64_t token(int64_t row, int64_t t) {
    return static_cast<int64_t>(mix_bits(static_cast<uint64_t>(row * 100 + t)) % kSmallVocab);
  }
  int64_t n_different_;
};

/// The first example of each architecture.
std::vector<json> examples() {
  std::vector<json> out;
  for (const ArchitectureEntry& entry : tree_catalog().architectures) {
    out.push_back(entry.examples.front().config);
    out.back()["architecture"] = entry.name;
  }
  return out;
}

TrainConfig steps(int64_t n_steps, double learning_rate) {
  TrainConfig config;
  config.batch_tokens = 4 * 24;
  config.tokens = n_steps * config.batch_tokens;
  config.learning_rate = learning_rate;
  return config;
}

}  // namespace

TEST_CASE("every architecture overfits one batch", "[learning]") {
  for (const json& config : examples()) {
    INFO(config.dump());
    const auto model = small_model(config);
    const auto result = train(*model, Cycle(4), steps(300, 1e-2), 1, {});
    REQUIRE(result.outcome == "ok");
    CHECK(result.curve.front().loss_nats > 3.5);
    CHECK(result.curve.back().loss_nats < 0.1);
  }
}

TEST_CASE("what decides in Mixture-of-Depths comes to foretell whom training chooses",
          "[learning]") {
  const Cycle cycle(4);
  std::vector<int64_t> tokens;
  for (int64_t row = 0; row < 4; ++row) {
    const TokenRow made = cycle.row(row);
    tokens.insert(tokens.end(), made.tokens.begin(), made.tokens.end());
  }
  const Batch batch{at::tensor(tokens, at::kLong), Rows::contiguous({24, 24, 24, 24})};
  for (const char* decision : {"auxiliary_loss", "predictor", "scores"}) {
    INFO(decision);
    const auto model = small_model({{"architecture", "mixture_of_depths"},
                                    {"retention", 0.25},
                                    {"n_layers", 4},
                                    {"decision", decision}});
    const auto foretold = [&] {
      at::NoGradGuard no_grad;
      ForetoldChoices choices(*model);
      Run run;
      run.mode = Mode::train;
      run.observer = &choices;
      run_model(*model, batch, nullptr, run);
      return choices.accuracy().value();
    };
    const double before = foretold();
    REQUIRE(train(*model, cycle, steps(300, 1e-2), 1, {}).outcome == "ok");
    CHECK(before < 0.75);  // that nobody is chosen is right of three in four
    CHECK(foretold() > 0.95);
  }
}

TEST_CASE("gradient accumulation gives the step of the whole batch", "[numerics]") {
  TrainConfig whole = steps(5, 3e-3), parts = whole;
  parts.micro_batch_tokens = 24;
  const json config = examples().front();
  const auto a = small_model(config, at::kDouble), b = small_model(config, at::kDouble);
  const auto from_whole = train(*a, Cycle(20), whole, 1, {});
  const auto from_parts = train(*b, Cycle(20), parts, 1, {});
  for (size_t i = 0; i < from_whole.curve.size(); ++i)
    CHECK(std::abs(from_whole.curve[i].loss_nats - from_parts.curve[i].loss_nats) < 1e-9);
  for (size_t i = 0; i < a->parameters().size(); ++i)
    CHECK(max_difference(a->parameters()[i].tensor, b->parameters()[i].tensor) < 1e-7);
}

TEST_CASE("a diverging run stops with its step", "[unit]") {
  const auto model = small_model(examples().front());
  const TrainConfig config = steps(50, 1e-3);
  {
    at::NoGradGuard no_grad;
    model->parameters()[0].tensor.fill_(std::nan(""));
  }
  const auto result = train(*model, Cycle(4), config, 1, {});
  CHECK(result.outcome == "diverged");
  CHECK(result.detail.find("step") != std::string::npos);
}

TEST_CASE("a checkpoint gives the model back bit for bit", "[unit]") {
  at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const Catalog catalog = built_in_catalog();
  for (const json& given : examples()) {
    const auto& entry = catalog.architecture(given.at("architecture"), "test");
    const json config = entry.resolve(given, "/model", catalog.parts);
    const auto model = entry.make(config, kSmallVocab, 3, catalog.parts);
    CheckpointInfo info;
    info.model = config;
    info.vocab_size = kSmallVocab;
    info.context_len = 24;
    save_checkpoint(folder.path / "ckpt", *model, info, nullptr);
    const Checkpoint back = load_checkpoint(folder.path / "ckpt", catalog);
    CHECK(back.info.model == config);
    const Batch batch = random_batch({9, 30});
    CHECK(run_model(*back.model, batch, nullptr, Run{})
              .equal(run_model(*model, batch, nullptr, Run{})));
  }
}
