// Every example of the catalog, at d_model 256: a training step, a prefill and decode steps. Items
// are tokens. Keeps are forced evenly at the configured retention. For comparisons use `sublab
// bench`, which interleaves; this is for a profiler and for changes to one model.
#include <benchmark/benchmark.h>

#include "experiments/examples.h"
#include "experiments/text/token_hints.h"
#include "experiments/train/step.h"

namespace sublab {
namespace {

constexpr int64_t kVocab = 2048, kTokens = 512, kDecodeTokens = 16;

const Catalog& catalog() {
  static const Catalog of_this_tree = built_in_catalog();
  return of_this_tree;
}

struct Subject {
  explicit Subject(const ModelCase& each) {
    model = each.entry->make(each.config, kVocab, 1, catalog().parts);
    if (!model->selection_sites().empty())
      keeps = std::make_unique<EvenKeeps>(model->selection_sites());
    batch = with_token_hints(
        {at::randint(0, kVocab, {kTokens}, at::kLong), Rows::contiguous({kTokens})});
  }
  Run run(Mode mode) const {
    Run out;
    out.mode = mode;
    out.forced = keeps.get();
    return out;
  }
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<KeepRule> keeps;
  Batch batch;
};

void train_step(benchmark::State& state, const ModelCase& each) {
  const Subject subject(each);
  AdamW optimizer(subject.model->parameters(), TrainConfig{});
  const std::vector<LabelledBatch> passes = {{subject.batch, subject.batch.tokens, kTokens}};
  StepSettings settings;  // at learning rate 0, which costs the same and moves nothing
  settings.forced = subject.keeps.get();
  for (auto _ : state) {
    optimizer_step(*subject.model, optimizer, passes, settings);
  }
  state.SetItemsProcessed(state.iterations() * kTokens);
}

std::unique_ptr<DecodeState> prefilled(const Subject& subject) {
  auto state = subject.model->new_state(1, kTokens + kDecodeTokens);
  run_model(*subject.model, subject.batch, state.get(), subject.run(Mode::step));
  return state;
}

void prefill(benchmark::State& state, const ModelCase& each) {
  at::NoGradGuard no_grad;
  const Subject subject(each);
  for (auto _ : state) benchmark::DoNotOptimize(prefilled(subject).get());
  state.SetItemsProcessed(state.iterations() * kTokens);
}

void decode(benchmark::State& state, const ModelCase& each) {
  at::NoGradGuard no_grad;
  const Subject subject(each);
  for (auto _ : state) {
    state.PauseTiming();
    const auto decode_state = prefilled(subject);
    state.ResumeTiming();
    for (int64_t t = 0; t < kDecodeTokens; ++t) {
      const Batch next = continue_rows(*decode_state, subject.batch.tokens.slice(0, t, t + 1), {1});
      const at::Tensor hidden =
          run_model(*subject.model, next, decode_state.get(), subject.run(Mode::step));
      benchmark::DoNotOptimize(at::mm(hidden, subject.model->head_weight().t()).const_data_ptr());
    }
  }
  state.SetItemsProcessed(state.iterations() * kDecodeTokens);
}

const bool added = [] {
  using Body = void (*)(benchmark::State&, const ModelCase&);
  for (const ModelCase& each : model_cases(catalog(), {{"d_model", 256}}))
    for (const auto& [mode, body] : {std::pair<const char*, Body>{"train", train_step},
                                     {"prefill", prefill},
                                     {"decode", decode}})
      benchmark::RegisterBenchmark(
          (each.name + "/" + mode).c_str(),
          [each, body = body](benchmark::State& state) { body(state, each); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace sublab

BENCHMARK_MAIN();
