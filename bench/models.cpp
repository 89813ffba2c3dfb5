// Every architecture of the catalog, small: a training step, a prefill and decode steps. Items are
// tokens. Keeps are forced evenly at the configured retention. For comparisons use `sublab bench`,
// which interleaves; this is for a profiler and for changes to one model.
#include <benchmark/benchmark.h>

#include "experiments/catalog.h"
#include "experiments/train/step.h"

namespace sublab {
namespace {

constexpr int64_t kVocab = 2048, kTokens = 512, kDecodeTokens = 16;

struct Subject {
  explicit Subject(const std::string& name) {
    const Catalog catalog = built_in_catalog();
    const ArchitectureEntry& entry = catalog.architecture(name, "bench");
    json given = {{"architecture", name}, {"d_model", 256}, {"n_heads", 4}};
    if (name != "subllm") given["n_layers"] = 8;
    model = entry.make(entry.resolve(given, "/model", catalog.parts), kVocab, 1, catalog.parts);
    if (!model->retention().empty()) keeps = std::make_unique<EvenKeeps>(model->retention());
    batch = {at::randint(0, kVocab, {kTokens}, at::kLong), Rows::contiguous({kTokens})};
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

void train_step(benchmark::State& state, const std::string& name) {
  const Subject subject(name);
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

void prefill(benchmark::State& state, const std::string& name) {
  at::NoGradGuard no_grad;
  const Subject subject(name);
  for (auto _ : state) benchmark::DoNotOptimize(prefilled(subject).get());
  state.SetItemsProcessed(state.iterations() * kTokens);
}

void decode(benchmark::State& state, const std::string& name) {
  at::NoGradGuard no_grad;
  const Subject subject(name);
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
  using Body = void (*)(benchmark::State&, const std::string&);
  for (const ArchitectureEntry& entry : built_in_catalog().architectures)
    for (const auto& [mode, body] : {std::pair<const char*, Body>{"train", train_step},
                                     {"prefill", prefill},
                                     {"decode", decode}})
      benchmark::RegisterBenchmark(
          (entry.name + "/" + mode).c_str(),
          [name = entry.name, body = body](benchmark::State& state) { body(state, name); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace sublab

BENCHMARK_MAIN();
