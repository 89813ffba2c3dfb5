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
#include "models/selection/ranking.h"
#include "models/subllm/module.h"

namespace sublab::subllm {
namespace {

struct State : DecoderState {
  State(int64_t n_rows, std::vector<std::unique_ptr<KvCache>> caches,
        std::vector<ModuleMemory> memories)
      : DecoderState(n_rows, std::move(caches)), memories(std::move(memories)) {}
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::unique_ptr<DecodeState>(new State(*this, rows));
  }
  int64_t n_bytes() const override {
    int64_t sum = DecoderState::n_bytes();
    for (const ModuleMemory& memory : memories)
      for (const RowMemory* part : {memory.scorer.get(), memory.selector.get()})
        if (part) sum += part->n_bytes();
    return sum;
  }
  std::vector<ModuleMemory> memories;

 private:
  State(const State& of, const std::vector<int64_t>& rows) : DecoderState(of, rows) {
    for (const ModuleMemory& memory : of.memories) memories.push_back(memory.fork(rows));
  }
};

class Subllm : public LanguageModel {
 public:
  Subllm(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : config_(config),
        structure_(parse_structure(config.structure, "/model/structure")),
        decoder_(config, vocab_size, initial),
        scorer_entry_(find_scorer(parts, config.scorer, "/model/scorer")),
        evaluate_selector_(
            find_selector(parts, config.evaluate_selector, "/model/evaluate_selector")) {
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
      for (auto& buffer : module.buffers()) out.push_back(buffer);
    return out;
  }

  void add_cost(const CostShape& shape, Ledger& ledger) const override;
  std::vector<SelectionSite> selection_sites() const override {
    std::vector<SelectionSite> out;
    for (size_t m = 0; m < modules_.size(); ++m)
      out.push_back({.level = structure_.module_levels[m], .retention = modules_[m].retention()});
    return out;
  }
  void prepare(const std::vector<Batch>& batches) override {
    for (Module& module : modules_) module.prepare(batches);
  }
  void calibrate(const std::vector<Batch>& batches) override;
  void graft(const std::set<std::string>& missing, const std::string& where) override;

 private:
  static std::string module_name(size_t m) { return "model.modules." + std::to_string(m); }
  /// Blocks at this level see log weights on their keys.
  bool biased(int64_t level) const { return config_.attention_log_weight && level > 0; }

  Level enter(int64_t m, const Level& parent, ModuleMemory& memory, const Run& run) const;
  void leave(int64_t m, const Level& inner, Level& parent, const Run& run) const;
  void pass_block(const Step& step, Level& level, KvCache* cache) const;

  Config config_;
  Structure structure_;
  Decoder decoder_;
  ScorerEntry scorer_entry_;
  SelectorEntry evaluate_selector_;
  std::vector<Module> modules_;
};

at::Tensor Subllm::forward(const Batch& batch, at::Tensor x, DecodeState* state,
                           const Run& run) const {
  const bool decides = !run.forced && !modules_.empty();
  if (run.mode == Mode::step && decides && !(evaluate_selector_.causal && scorer_entry_.causal))
    throw UserError("/model/evaluate_selector", "'" + evaluate_selector_.name + "' over scorer '" +
                                                    scorer_entry_.name +
                                                    "' is not causal, so it cannot decode");
  auto* own_state = static_cast<State*>(state);
  std::vector<ModuleMemory> fresh;
  if (!state)
    for (const Module& module : modules_) fresh.push_back(module.new_memory(batch.rows->n_rows()));
  auto& memories = state ? own_state->memories : fresh;
  std::vector<Level> levels(1);
  static_cast<LevelContext&>(levels[0]) = decoder_.blocks.level(batch.rows, run, state);
  levels[0].x = std::move(x);
  levels[0].tokens = batch.tokens;
  levels[0].hints = batch.hints;
  for (const Step& step : structure_.steps) {
    if (step.kind == Step::Kind::block) {
      pass_block(step, levels.back(), state ? own_state->caches[step.index].get() : nullptr);
    } else if (step.kind == Step::Kind::open) {
      levels.push_back(enter(step.index, levels.back(), memories[step.index], run));
    } else {
      const Level inner = std::move(levels.back());
      levels.pop_back();
      leave(step.index, inner, levels.back(), run);
    }
  }
  if (state) state->advance(*batch.rows);
  return decoder_.ends.final_norm(levels.back().x);
}

std::unique_ptr<DecodeState> Subllm::new_state(int64_t n_rows, int64_t expected_tokens) const {
  std::vector<std::unique_ptr<KvCache>> caches(structure_.n_blocks);
  std::vector<double> share{1.0};
  for (const Step& step : structure_.steps) {
    if (step.kind == Step::Kind::open)
      share.push_back(share.back() * modules_[step.index].retention());
    if (step.kind == Step::Kind::close) share.pop_back();
    if (step.kind == Step::Kind::block)
      caches[step.index] = decoder_.blocks.new_cache(
          step.index, n_rows,
          static_cast<int64_t>(std::ceil(share.back() * double(expected_tokens))),
          biased(step.level));
  }
  std::vector<ModuleMemory> memories;
  for (const Module& module : modules_) memories.push_back(module.new_memory(n_rows));
  return std::make_unique<State>(n_rows, std::move(caches), std::move(memories));
}

void record_decisions(RecordedKeeps& out, int64_t module, const Rows& rows,
                      const at::Tensor& index) {
  const at::Tensor on_host = index.to(at::kCPU).contiguous();
  const auto* next = on_host.const_data_ptr<int64_t>();
  const auto* end = next + on_host.numel();
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b); ++i) {
      const bool kept = next != end && *next == rows.begin(b) + i;
      next += kept;
      out.record(module, b, rows.ordinal(b, i), kept);
    }
}

void Subllm::pass_block(const Step& step, Level& level, KvCache* cache) const {
  const auto next = &step + 1;
  const bool probed = next != structure_.steps.data() + structure_.steps.size() &&
                      next->kind == Step::Kind::open && modules_[next->index].reads_attention();
  level.x =
      decoder_.blocks.pass(step.index, level.x, level, cache, probed ? &level.probe : nullptr);
}

Level Subllm::enter(int64_t m, const Level& parent, ModuleMemory& memory, const Run& run) const {
  Selection selection = modules_[m].decide(parent, decoder_.ends, memory, run);
  const at::Tensor& index = selection.index;
  if (run.recorded) record_decisions(*run.recorded, m, *parent.rows, index);
  const std::vector<int64_t> starts = memory.kept;
  for (size_t b = 0; b < starts.size(); ++b) memory.kept[b] += selection.lengths[b];
  Level inner;
  static_cast<LevelContext&>(inner) = parent;
  inner.level = parent.level + 1;
  inner.key_bias = at::Tensor();
  inner.rows = config_.positions == "composed"
                   ? parent.rows->keep(index, selection.lengths, starts)
                   : parent.rows->keep_places(index, selection.lengths, starts);
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
      const Module& module = modules_[step.index];
      if (module.has_scorer())
        module.scorer().add_cost({step.level, at.tokens, at.reached, bytes}, ledger);
      const double d =
          shape.kept_fraction.empty() ? module.retention() : shape.kept_fraction.at(step.index);
      Counts inner = at;
      for (double& t : inner.tokens)
        t = shape.kept_fraction.empty() && t > 1
                ? static_cast<double>(kept_tokens(std::llround(t), d, config_.rounding_rule()))
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

/// Collects the scores that a module sees.
class ScoreCollector : public Observer {
 public:
  explicit ScoreCollector(int64_t module) : module_(module) {}
  void selected(int64_t module, const at::Tensor& scores, const Rows&, const at::Tensor&,
                const at::Tensor&) override {
    if (module == module_) scores_.push_back(scores.detach().to(at::kDouble).cpu());
  }
  /// The value that a share `d` of the scores lies above.
  double upper_quantile(double d) const {
    const at::Tensor sorted = std::get<0>(at::cat(scores_).sort());
    const int64_t n = sorted.numel();
    const int64_t below = std::clamp<int64_t>(n - static_cast<int64_t>(std::llround(d * n)), 1, n);
    return sorted[below - 1].item<double>();
  }

 private:
  int64_t module_;
  std::vector<at::Tensor> scores_;
};

void Subllm::calibrate(const std::vector<Batch>& batches) {
  if (scorer_entry_.natural_zero || !evaluate_selector_.uses_threshold) return;
  at::NoGradGuard no_grad;
  // Outer modules first: an inner level's scores depend on who was let in.
  for (size_t m = 0; m < modules_.size(); ++m) {
    if (!modules_[m].has_scorer()) continue;
    modules_[m].set_threshold(-config_.threshold);
    ScoreCollector collector(static_cast<int64_t>(m));
    Run run;
    run.observer = &collector;
    for (const Batch& batch : batches) run_model(*this, batch, nullptr, run);
    modules_[m].set_threshold(collector.upper_quantile(modules_[m].retention()));
  }
}

void Subllm::graft(const std::set<std::string>& missing, const std::string& where) {
  for (size_t m = 0; m < modules_.size(); ++m) {
    bool whole = false;
    for (const Parameter& parameter : modules_[m].parameters())
      whole = whole || missing.count(parameter.name);
    if (whole) modules_[m].make_transparent();
  }
  for (const std::string& name : missing)
    if (!name.starts_with("model.modules.")) throw UserError(where, "has no tensor " + name);
}

Config read(const json& given, const std::string& path, const Parts& parts) {
  Config config;
  read_fields(given, path, config);
  config.resolve(path, given, parts);
  return config;
}

}  // namespace
}  // namespace sublab::subllm

namespace sublab {

ArchitectureEntry subllm_architecture() {
  ArchitectureEntry entry;
  entry.name = "subllm";
  entry.summary = "Llama whose inner blocks see only the tokens that a scorer keeps";
  entry.source = "arXiv:2406.06571";
  entry.describe = [] { return describe_fields<subllm::Config>(); };
  entry.resolve = [](const json& given, const std::string& path, const Parts& parts) {
    return write_fields(subllm::read(given, path, parts));
  };
  entry.make = [](const json& resolved, int64_t vocab_size, const Initial& initial,
                  const Parts& parts) {
    return std::make_unique<subllm::Subllm>(subllm::read(resolved, "/model", parts), vocab_size,
                                            initial, parts);
  };
  return entry;
}

}  // namespace sublab
