// One prompt, many continuations: a forked decode state goes on as if each row had been prefilled
// by itself.
#include <catch2/catch.hpp>

#include "tests/models/sketches/swapped_parts.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

struct Subject {
  std::string name;
  std::unique_ptr<LanguageModel> model;
};

/// Every architecture of the catalog, policies, SUBLLM with what remembers rows, and the sketches.
std::vector<Subject> subjects() {
  std::vector<json> configs;
  for (const auto& entry : built_in_catalog().architectures)
    configs.push_back({{"architecture", entry.name}});
  for (const json& policy :
       std::vector<json>{{{"type", "streaming_llm"}, {"sinks", 2}, {"window", 5}},
                         {{"type", "h2o"}, {"heavy", 3}, {"recent", 4}},
                         {{"type", "h2o_prompt"}}})
    for (const char* name : {"llama", "subllm"})
      configs.push_back({{"architecture", name}, {"kv_policy", policy}});
  for (const char* scorer : {"learned", "surprisal", "stride"})
    for (const char* selector : {"threshold", "causal_quantile"})
      configs.push_back({{"architecture", "subllm"},
                         {"structure", "T(T(T)T)T"},
                         {"retention", 0.5},
                         {"scorer", scorer},
                         {"evaluate_selector", selector}});
  std::vector<Subject> out;
  for (const json& config : configs) {
    out.push_back({config.dump(), small_model(config, at::kDouble)});
    out.back().model->calibrate({random_batch({40, 40})});
  }
  const auto add = [&](const std::string& name, std::unique_ptr<LanguageModel> model) {
    convert_model(*model, at::kDouble);
    out.push_back({name, std::move(model)});
  };
  add("segments", small_model({{"architecture", "infini_transformer"}, {"segment_len", 4}}));
  AttentionParts windowed = SwappedDecoder::plain();
  windowed.policy = std::make_shared<WindowPolicy>();
  add("window", std::make_unique<SwappedDecoder>(kSmallVocab, windowed));
  return out;
}

at::Tensor step(const LanguageModel& model, DecodeState& state, const at::Tensor& tokens,
                const std::vector<int64_t>& lengths) {
  Run run;
  run.mode = Mode::step;
  return run_model(model, continue_rows(state, tokens, lengths), &state, run);
}

}  // namespace

TEST_CASE("forked rows go on as if they had been prefilled apart", "[contract]") {
  at::manual_seed(8);
  at::NoGradGuard no_grad;
  for (const Subject& subject : subjects()) {
    INFO(subject.name);
    const LanguageModel& model = *subject.model;
    const auto random = [](int64_t n) { return at::randint(0, kSmallVocab, {n}, at::kLong); };
    const at::Tensor first = random(7), second = random(11);
    const auto prompts = model.new_state(2, 4);
    step(model, *prompts, at::cat({first, second}), {7, 11});
    const int64_t bytes = prompts->n_bytes();
    const auto fork = prompts->fork({1, 1, 0});
    CHECK(fork->lengths() == std::vector<int64_t>{11, 11, 7});
    CHECK(fork->n_bytes() > bytes);
    for (int64_t turn = 0; turn < 2; ++turn) {  // the second one sees a fork that has moved on
      const std::vector<int64_t> lengths = {5, 1, 4};
      std::vector<at::Tensor> more = {random(5), random(1), random(4)};
      const auto again = prompts->fork({1, 1, 0});
      const at::Tensor got = step(model, *again, at::cat(more), lengths);
      step(model, *fork, at::cat({random(3), random(2), random(1)}), {3, 2, 1});
      const at::Tensor later = step(model, *again, at::cat({more[1], more[1], more[1]}), {1, 1, 1});
      for (int64_t i = 0, begin = 0; i < 3; begin += lengths[i++]) {
        const auto alone = model.new_state(1, 4);
        const at::Tensor& prompt = i < 2 ? second : first;
        step(model, *alone, prompt, {prompt.size(0)});
        CHECK(max_difference(step(model, *alone, more[i], {lengths[i]}),
                             got.slice(0, begin, begin + lengths[i])) < 1e-10);
        CHECK(max_difference(step(model, *alone, more[1], {1}), later.slice(0, i, i + 1)) < 1e-10);
      }
      CHECK(prompts->n_bytes() == bytes);
      CHECK(prompts->lengths() == std::vector<int64_t>{7, 11});
    }
    CHECK(prompts->fork({})->lengths().empty());
  }
}
