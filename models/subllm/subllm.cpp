// SUBLLM (arXiv:2406.06571): a Llama whose inner blocks see only the tokens that a scorer keeps.
// Between `(` and `)` of the structure string the kept tokens pass, with their original positions;
// at `)` they return to the stream, gated by their weight and a learned bypass scale c:
//
//   out_t = x_t + c * w_t * (y_t - x_t)  where kept,   out_t = x_t elsewhere.
//
// Training selects by top-k over the row (not causal, on purpose), evaluation by a threshold on the
// token's own score. Differences from the paper: its body was not available; what it leaves open
// (docs/architecture.md) is an option here, with the released code's choice as the default.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/entries/architecture.h"
#include "models/kernels/subsample.h"
#include "models/subllm/module.h"

namespace sublab::subllm {
namespace {

struct State : DecoderState {
  State(int64_t n_rows, BlockCaches caches, const std::vector<Module>& modules)
      : DecoderState(n_rows, std::move(caches)), modules(&modules) {
    for (const Module& module : modules) memories.push_back(module.router.new_memory(n_rows));
  }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::unique_ptr<DecodeState>(new State(*this, rows));
  }
  int64_t n_bytes() const override {
    int64_t sum = DecoderState::n_bytes();
    for (const RouterMemory& memory : memories) sum += memory.n_bytes();
    return sum;
  }
  bool clear() override {
    memories.clear();
    for (const Module& module : *modules)
      memories.push_back(module.router.new_memory(static_cast<int64_t>(lengths().size())));
    return clear_caches();
  }
  const std::vector<Module>* modules;  ///< the model outlives its states
  std::vector<RouterMemory> memories;

 private:
  State(const State& of, const std::vector<int64_t>& rows)
      : DecoderState(of, rows), modules(of.modules) {
    for (const RouterMemory& memory : of.memories) memories.push_back(memory.fork(rows));
  }
};

class Subllm : public LanguageModel {
 public:
  Subllm(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : config_(config),
        structure_(parse_structure(config.structure, "/model/structure")),
        decoder_(config, vocab_size, initial, config.attention(config, parts)) {
    for (size_t m = 0; m < structure_.module_levels.size(); ++m)
      modules_.emplace_back(config_, static_cast<int64_t>(m), module_name(m), decoder_.ends,
                            initial, parts);
  }

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override;
  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override;

  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> out = decoder_.parameters();
    for (const Module& module : modules_)
      for (auto& parameter : module.parameters()) out.push_back(parameter);
    return out;
  }
  std::vector<Buffer> buffers() const override {
    std::vector<Buffer> out;
    for (const Module& module : modules_)
      for (auto& buffer : module.router.buffers()) out.push_back(buffer);
    return out;
  }

  void add_cost(const CostShape& shape, Ledger& ledger) const override;
  std::vector<SelectionSite> selection_sites() const override {
    std::vector<SelectionSite> out;
    for (size_t m = 0; m < modules_.size(); ++m)
      out.push_back(
          {.level = structure_.module_levels[m], .retention = modules_[m].router.retention()});
    return out;
  }
  void prepare(const std::vector<Batch>& batches) override {
    for (Module& module : modules_) module.router.prepare(batches);
  }
  void calibrate(const std::vector<Batch>& batches) override;
  void graft(const std::set<std::string>& missing, const std::string& where) override;

 private:
  static std::string module_name(size_t m) { return "model.modules." + std::to_string(m); }
  /// Blocks at this level see log weights on their keys.
  bool biased(int64_t level) const { return config_.attention_log_weight && level > 0; }

  Level enter(int64_t m, const Level& parent, RouterMemory& memory, const Run& run) const;
  void leave(int64_t m, const Level& inner, Level& parent, const Run& run) const;
  /// The blocks from `first` on until tokens enter or leave; returns the last one.
  const Step* pass_blocks(const Step* first, Level& level, State* state) const;

  Config config_;
  Structure structure_;
  Decoder decoder_;
  std::vector<Module> modules_;
};

at::Tensor Subllm::forward(const Batch& batch, at::Tensor x, DecodeState* state,
                           const Run& run) const {
  auto* own_state = static_cast<State*>(state);
  std::vector<RouterMemory> fresh;
  if (!state)
    for (const Module& module : modules_)
      fresh.push_back(module.router.new_memory(batch.rows->n_rows()));
  auto& memories = state ? own_state->memories : fresh;
  std::vector<Level> levels(1);
  static_cast<LevelContext&>(levels[0]) = decoder_.blocks.level(batch.rows, run, state);
  levels[0].x = std::move(x);
  levels[0].tokens = batch.tokens;
  levels[0].hints = batch.hints;
  const Step* const end = structure_.steps.data() + structure_.steps.size();
  for (const Step* step = structure_.steps.data(); step != end; ++step) {
    if (step->kind == Step::Kind::block) {
      step = pass_blocks(step, levels.back(), own_state);
    } else if (step->kind == Step::Kind::open) {
      levels.push_back(enter(step->index, levels.back(), memories[step->index], run));
    } else {
      const Level inner = std::move(levels.back());
      levels.pop_back();
      leave(step->index, inner, levels.back(), run);
    }
  }
  if (state) state->advance(*batch.rows);
  return decoder_.ends.final_norm(levels.back().x);
}

std::unique_ptr<DecodeState> Subllm::new_state(int64_t n_rows, int64_t expected_tokens) const {
  BlockCaches caches;
  caches.of_block.resize(structure_.n_blocks);
  std::vector<double> share{1.0};
  for (const Step& step : structure_.steps) {
    if (step.kind == Step::Kind::open)
      share.push_back(share.back() * modules_[step.index].router.retention());
    if (step.kind == Step::Kind::close) share.pop_back();
    if (step.kind == Step::Kind::block)
      caches.of_block[step.index] = decoder_.blocks.new_cache(
          step.index, n_rows,
          static_cast<int64_t>(std::ceil(share.back() * double(expected_tokens))),
          biased(step.level));
  }
  return std::make_unique<State>(n_rows, std::move(caches), modules_);
}

const Step* Subllm::pass_blocks(const Step* first, Level& level, State* state) const {
  const Step* const end = structure_.steps.data() + structure_.steps.size();
  const Step* next = first;
  while (next != end && next->kind == Step::Kind::block) ++next;
  BlockCaches* caches = state ? &state->caches : nullptr;
  const Step* last = next - 1;
  const bool probed = next != end && next->kind == Step::Kind::open &&
                      modules_[next->index].router.needs_attention();
  level.x = decoder_.blocks.pass_range(first->index, last->index + !probed, level.x, level, caches);
  if (probed)
    level.x =
        decoder_.blocks.pass(last->index, level.x, level,
                             caches ? caches->of_block[last->index].get() : nullptr, &level.probe);
  return last;
}

Level Subllm::enter(int64_t m, const Level& parent, RouterMemory& memory, const Run& run) const {
  const Router& router = modules_[m].router;
  LevelView view{parent.x, *parent.rows, parent.tokens, parent.hints, parent.level};
  if (router.needs_readout()) view.readout = &decoder_.ends;
  if (parent.probe.q_NHK.defined()) view.probe = &parent.probe;
  Selection selection = router.decide(view, memory, run);
  const at::Tensor& index = selection.index;
  Level inner;
  static_cast<LevelContext&>(inner) = parent;
  inner.level = parent.level + 1;
  inner.key_bias = at::Tensor();
  inner.rows = config_.positions == "composed"
                   ? parent.rows->keep(index, selection.lengths, selection.starts)
                   : parent.rows->keep_places(index, selection.lengths, selection.starts);
  inner.x = gather_rows(parent.x, index);
  inner.angles = config_.positions == "composed"
                     ? parent.angles.keep(index)
                     : decoder_.blocks.angles(*inner.rows, parent.declared_length);
  inner.tokens = parent.tokens.index_select(0, index);
  if (parent.hints.defined()) inner.hints = parent.hints.index_select(0, index);
  if (config_.attention_log_weight) {
    inner.key_bias = (selection.weights + 1e-3).log();
    if (parent.key_bias.defined())
      inner.key_bias = inner.key_bias + parent.key_bias.index_select(0, index);
  }
  inner.selection = std::move(selection);
  return inner;
}

void Subllm::leave(int64_t m, const Level& inner, Level& parent, const Run& run) const {
  const at::Tensor c = modules_[m].bypass(run);
  if (inner.x.size(0) == 0) return;
  parent.x = bypass_return(parent.x, inner.x, inner.selection.index, inner.selection.weights, c);
}

void Subllm::add_cost(const CostShape& shape, Ledger& ledger) const {
  struct Counts {
    std::vector<double> tokens, past;
    double share = 1;    // probability that one token gets here
    double reached = 1;  // probability that any does
  };
  std::vector<Counts> levels(1);
  levels[0].tokens.assign(shape.new_tokens.begin(), shape.new_tokens.end());
  levels[0].past.assign(shape.past_tokens.begin(), shape.past_tokens.end());
  const auto sum = [](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  const double all = sum(levels[0].tokens);
  for (const Step& step : structure_.steps) {
    const Counts& at = levels.back();
    const double bytes = shape.bytes_per_number;
    if (step.kind == Step::Kind::block) {
      decoder_.blocks.add_cost(step.index,
                               {.level = step.level,
                                .new_tokens = at.tokens,
                                .past_tokens = at.past,
                                .reached = at.reached,
                                .bytes_per_number = bytes,
                                .biased = biased(step.level),
                                .plain = shape.plain},
                               ledger);
    } else if (step.kind == Step::Kind::open) {
      const Router& router = modules_[step.index].router;
      router.add_cost({step.level, at.tokens, at.reached, bytes}, ledger);
      const double d =
          shape.kept_fraction.empty() ? router.retention() : shape.kept_fraction.at(step.index);
      Counts inner = at;
      for (double& t : inner.tokens)
        t = shape.kept_fraction.empty() && t > 1
                ? static_cast<double>(router.expected(std::llround(t), d))
                : t * d;
      const auto& past = shape.past_kept_fraction;
      for (double& t : inner.past) t *= past.empty() ? d : past.at(step.index);
      inner.share *= d;
      inner.reached = shape.reached_fraction.empty() ? 1 - std::pow(1 - inner.share, all)
                                                     : shape.reached_fraction.at(step.index);
      levels.push_back(inner);
    } else {
      const double inner = sum(at.tokens);
      levels.pop_back();
      // The return keeps the stream before the module, what came back, its weights and indices; the
      // level kept its angles.
      const auto d = static_cast<double>(config_.d_model);
      const double kept = sum(levels.back().tokens) * d + inner * (d + 1 + config_.head_dim);
      ledger.add({"bypass", -1, step.level, inner, 0, 0, 0, kept * bytes + inner * 8});
    }
  }
  decoder_.ends.add_cost(all, static_cast<double>(config_.head_dim), shape, ledger);
}

void Subllm::calibrate(const std::vector<Batch>& batches) {
  std::vector<Router*> routers;
  for (Module& module : modules_) routers.push_back(&module.router);
  calibrate_routers(*this, routers, batches);
}

void Subllm::graft(const std::set<std::string>& missing, const std::string& where) {
  for (size_t m = 0; m < modules_.size(); ++m) {
    bool whole = false;
    for (const Parameter& parameter : modules_[m].parameters())
      whole = whole || missing.count(parameter.name);
    if (whole) modules_[m].make_transparent(where);
  }
  for (const std::string& name : missing)
    if (!name.starts_with("model.modules.")) throw UserError(where, "has no tensor " + name);
}

}  // namespace
}  // namespace sublab::subllm

namespace sublab {

ArchitectureEntry subllm_architecture() {
  auto entry = architecture_entry<subllm::Subllm, subllm::Config>(
      "subllm", "Llama whose inner blocks see only the tokens that a scorer keeps",
      "arXiv:2406.06571");
  const json small = {{"retention", 0.5}, {"d_model", 32}, {"n_heads", 4}};
  const auto example = [&](const char* name, json config) {
    config.update(small);
    return Example{name, config};
  };
  entry.examples = {example("", {{"structure", "T(T(TT)T)T"}}),
                    example("published", {{"structure", "T(T(TT)T)T"}, {"preset", "published"}}),
                    example("siblings", {{"structure", "(T)T(T)"}}),
                    example("remembering", {{"structure", "T(T)T"},
                                            {"scorer", "surprisal"},
                                            {"evaluate_selector", "causal_quantile"}}),
                    example("log weights", {{"structure", "T(T)T"},
                                            {"attention_log_weight", true},
                                            {"positions", "level_local"}})};
  return entry;
}

}  // namespace sublab
