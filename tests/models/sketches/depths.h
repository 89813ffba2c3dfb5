// Mixture-of-Depths: every other block takes only the tokens that its router chooses, weighed by
// their scores; the others pass it by. An auxiliary loss teaches scores to say by their sign who is
// among the highest k of a row, which a causal pass cannot see; a selector with a running threshold
// is the other way to decide without seeing it.
#pragma once

#include "models/entries/architecture.h"
#include "models/parts/decoder.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

struct RunningConfig {
  double keep = 0.9;

  template <class F>
  void fields(F& f) {
    f("keep", keep, "share of the old threshold that stays in each pass", within(0, 1));
  }
};

/// Keeps scores above a threshold that follows the k-th highest of rows in training.
class RunningThreshold : public Selector {
 public:
  explicit RunningThreshold(const RunningConfig& config)
      : config_(config), threshold_(at::zeros({}, at::kDouble)) {}
  Selection select(const SelectorInput& input) const override {
    const at::Tensor kept = input.scores.detach().gt(threshold_.item<double>());
    Selection out;
    out.index = kept.nonzero().flatten();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b)
      out.lengths.push_back(row_of(kept, input.rows, b).sum().item<int64_t>());
    return out;
  }
  void learn(const SelectorInput& input) const override {
    at::NoGradGuard no_grad;
    for (int64_t b = 0; b < input.rows.n_rows(); ++b) {
      const at::Tensor scores = row_of(input.scores, input.rows, b).to(at::kDouble);
      const int64_t k = kept_tokens(scores.size(0), input.retention);
      if (k == 0 || k == scores.size(0)) continue;
      const at::Tensor sorted = std::get<0>(scores.sort(0, true));
      threshold_.mul_(config_.keep).add_((1 - config_.keep) * (sorted[k - 1] + sorted[k]) / 2);
    }
  }
  std::vector<Buffer> buffers() const override { return {{"threshold", threshold_}}; }

 private:
  RunningConfig config_;
  at::Tensor threshold_;  // scalar
};

inline SelectorEntry running_threshold_selector() {
  auto entry = selector_entry<RunningThreshold, RunningConfig>(
      "running_threshold", "above what the k-th highest was in training", "sketch");
  entry.causal = true;
  entry.uses_threshold = false;
  return entry;
}

struct DepthsConfig : DecoderConfig, AttentionConfig, RouterConfig {
  double auxiliary_weight = 0.01;

  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
    RouterConfig::fields(f);
    f("auxiliary_weight", auxiliary_weight, "of the routers' loss", within(0, 100));
  }
  void resolve(const std::string& path, const Parts& parts) {
    DecoderConfig::resolve(path);
    AttentionConfig::resolve(path, parts);
    RouterConfig::resolve(path, static_cast<size_t>(n_layers / 2), parts, {});
  }
};

class Depths : public LanguageModel {
 public:
  Depths(const DepthsConfig& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : config_(config), decoder_(config, vocab_size, initial, config.attention(config, parts)) {
    for (int64_t site = 0; site < config.n_layers / 2; ++site) {
      ScorerContext context;
      context.name = "model.routers." + std::to_string(site);
      context.site = site;
      context.d_model = config.d_model;
      context.vocab_size = vocab_size;
      context.retention = config.retention_at(site);
      context.initial = initial;
      context.tensor_options = decoder_.ends.options();
      routers_.emplace_back(config_, context, parts);
    }
  }

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }
  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected) const override {
    auto out = std::make_unique<State>(n_rows, decoder_.blocks.new_caches(n_rows, expected));
    for (const Router& router : routers_) out->memories.push_back(router.new_memory(n_rows));
    return out;
  }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* given,
                     const Run& run) const override {
    const Rows& rows = *batch.rows;
    const auto fresh = given ? nullptr : new_state(rows.n_rows(), 0);
    auto& state = static_cast<State&>(given ? *given : *fresh);
    const LevelContext level = decoder_.blocks.level(batch.rows, run, given);
    for (int64_t i = 0; i < decoder_.blocks.size(); ++i) {
      KvCache* cache = given ? state.caches.of_block[i].get() : nullptr;
      if (i % 2 == 0) {
        x = decoder_.blocks.pass(i, x, level, cache);
        continue;
      }
      const Selection chosen = routers_[i / 2].decide(
          {x, rows, batch.tokens, batch.hints, 0, &decoder_.ends}, state.memories[i / 2], run);
      add_loss(chosen, run);
      const RowsPtr kept = rows.keep(chosen.index, chosen.lengths, chosen.starts);
      const LevelContext inner = decoder_.blocks.level(kept, run, given, 1);
      const at::Tensor before = x.index_select(0, chosen.index);
      const at::Tensor change = decoder_.blocks.pass(i, before, inner, cache) - before;
      x = x.index_add(0, chosen.index, chosen.weights.unsqueeze(1) * change);
    }
    if (given) given->advance(rows);
    return decoder_.ends.final_norm(x);
  }

  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> out = decoder_.parameters();
    for (const Router& router : routers_)
      for (Parameter& parameter : router.parameters()) out.push_back(parameter);
    return out;
  }
  std::vector<Buffer> buffers() const override {
    std::vector<Buffer> out;
    for (const Router& router : routers_)
      for (Buffer& buffer : router.buffers()) out.push_back(buffer);
    return out;
  }
  std::vector<SelectionSite> selection_sites() const override {
    std::vector<SelectionSite> out;
    for (const Router& router : routers_)
      out.push_back({.level = 1, .retention = router.retention()});
    return out;
  }
  void add_cost(const CostShape&, Ledger&) const override {}

 private:
  struct State : DecoderState {
    using DecoderState::DecoderState;
    State(const State& of, const std::vector<int64_t>& rows) : DecoderState(of, rows) {
      for (const RouterMemory& memory : of.memories) memories.push_back(memory.fork(rows));
    }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<State>(*this, rows);
    }
    std::vector<RouterMemory> memories;
  };

  /// Binary cross-entropy of scores against membership.
  void add_loss(const Selection& chosen, const Run& run) const {
    if (!run.losses || !chosen.scores.defined()) return;
    at::Tensor kept = at::zeros_like(chosen.scores.detach());
    kept.index_fill_(0, chosen.index, 1);
    run.losses->add("router", at::binary_cross_entropy_with_logits(chosen.scores, kept),
                    config_.auxiliary_weight);
  }

  DepthsConfig config_;
  Decoder decoder_;
  std::vector<Router> routers_;
};

}  // namespace sublab
