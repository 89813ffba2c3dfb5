// What the tests of hourglass and zipformer share.
#pragma once

#include "models/parts/decoder.h"
#include "tests/models/small_models.h"

namespace sublab {

inline json hourglass(const std::string& hierarchy, const std::string& shortening = "average",
                      const std::string& upsampling = "repeat") {
  return {{"architecture", "hourglass"},
          {"hierarchy", hierarchy},
          {"shortening", shortening},
          {"upsampling", upsampling},
          {"n_kv_heads", 2}};
}

inline json zipformer(const std::string& stacks, const char* name = "zipformer") {
  return {{"architecture", name}, {"stacks", stacks}, {"n_kv_heads", 2}};
}

inline at::Tensor hidden_of(const LanguageModel& model, const Batch& batch) {
  at::NoGradGuard no_grad;
  return run_model(model, batch, nullptr, Run{});
}

inline at::Tensor steps_of(const LanguageModel& model, const at::Tensor& tokens,
                           const std::vector<int64_t>& lengths) {
  at::NoGradGuard no_grad;
  Run run;
  run.mode = Mode::step;
  const auto state = model.new_state(1, 2);
  std::vector<at::Tensor> out;
  for (int64_t begin = 0; const int64_t n : lengths) {
    const at::Tensor next = tokens.slice(0, begin, begin + n);
    out.push_back(run_model(model, continue_rows(*state, next, {n}), state.get(), run));
    begin += n;
  }
  return at::cat(out);
}

/// How far back a change of one token reaches: the most over all tokens, 0 where none looks ahead.
inline int64_t leak_of(const LanguageModel& model, int64_t n_tokens) {
  const Batch batch = random_batch({n_tokens});
  const at::Tensor before = hidden_of(model, batch);
  int64_t most = 0;
  for (int64_t j = 0; j < n_tokens; ++j) {
    Batch changed = batch;
    changed.tokens = batch.tokens.clone();
    changed.tokens[j] = (batch.tokens[j] + 1).remainder(kSmallVocab);
    const at::Tensor moved = (hidden_of(model, changed) - before).abs().amax(1).gt(1e-12);
    most = std::max(most, j - moved.nonzero()[0].item<int64_t>());
  }
  return most;
}

inline void set_all(LanguageModel& model, const std::string& ending, double value) {
  at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters())
    if (parameter.name.ends_with(ending)) parameter.tensor.fill_(value);
}

inline at::Tensor parameter_of(const LanguageModel& model, const std::string& name) {
  for (const Parameter& parameter : model.parameters())
    if (parameter.name == name) return parameter.tensor.detach();
  throw std::runtime_error("no parameter " + name);
}

/// A level's blocks with the weights that a model of seed 1 has under that name.
inline at::Tensor through_blocks(const LanguageModel& model, const std::string& name,
                                 int64_t n_blocks, BlockConfig config, const at::Tensor& x,
                                 const at::Tensor& positions) {
  config.n_kv_heads = std::max<int64_t>(config.n_heads / 2, 1);
  config.head_dim = 8;
  config.d_model = x.size(1);
  BlockList blocks(name, config, n_blocks, full_attention(plain_rope(8, 10000)), 1);
  std::vector<Parameter> own;
  blocks.add_parameters(own);
  for (Parameter& parameter : own)
    parameter.tensor.set_data(parameter_of(model, parameter.name).clone());
  const Run run;
  const RowsPtr rows = Rows::with_positions({x.size(0)}, {}, positions);
  return blocks.pass_all(x, blocks.level(rows, run, nullptr));
}

}  // namespace sublab
