// A reloaded model is the trained one: whatever an entry draws, counts or learns beside its
// parameters stands in the checkpoint.
#include <catch2/catch.hpp>

#include "experiments/checkpoint/checkpoint.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"
#include "tests/experiments/noise_rows.h"
#include "tests/models/small_models.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

constexpr uint64_t kSeed = 12345;  // another one than loading builds with

/// Rows that say which of their tokens matter.
class HintedNoise : public Noise {
 public:
  TokenRow row(int64_t index) const override {
    TokenRow out = Noise::row(index);
    for (const int64_t token : out.tokens) out.hints.push_back(token_hint(token));
    return out;
  }
};

/// What the modes of a model give for a batch: losses of every token, and who was kept.
struct Behaviour {
  at::Tensor losses;
  RecordedKeeps keeps;
};

Behaviour of_whole_rows(const LanguageModel& model, const Batch& batch, Mode mode) {
  at::NoGradGuard no_grad;
  Behaviour out;
  Run run;
  run.mode = mode;
  run.recorded = &out.keeps;
  const at::Tensor hidden = run_model(model, batch, nullptr, run);
  out.losses = token_losses(hidden, model.head_weight(), batch.tokens);
  return out;
}

void check_same(const Behaviour& a, const Behaviour& b) {
  CHECK(a.losses.equal(b.losses));
  CHECK(a.keeps.decided == b.keeps.decided);
}

std::unique_ptr<LanguageModel> trained(const ModelCase& subject) {
  auto model =
      fitted(subject.entry->make(subject.config, kSmallVocab, kSeed, tree_catalog().parts));
  TrainConfig config;
  config.batch_tokens = 80;
  config.tokens = 4 * config.batch_tokens;
  config.learning_rate = 5e-3;
  train(*model, HintedNoise(), config, kSeed, {});
  at::manual_seed(9);
  model->calibrate({random_batch({20, 20, 20, 20})});
  return model;
}

}  // namespace

TEST_CASE("a reloaded model is the trained one, for every entry", "[contract]") {
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    INFO(subject.name);
    const auto model = trained(subject);
    const TemporaryFolder folder;
    CheckpointInfo info;
    info.model = subject.config;
    info.vocab_size = kSmallVocab;
    info.context_len = 20;
    save_checkpoint(folder.path / "ckpt", *model, info, nullptr);
    const Checkpoint again = load_checkpoint(folder.path / "ckpt", tree_catalog());
    at::manual_seed(11);
    const Batch batch = random_batch({33, 1, 20});
    for (const Mode mode : {Mode::train, Mode::evaluate})
      check_same(of_whole_rows(*model, batch, mode), of_whole_rows(*again.model, batch, mode));
  }
}
