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

#include "models/architecture.h"
#include "models/kernels/subsample.h"
#include "models/subllm/config.h"
#include "models/subllm/training_aids.h"

namespace sublab::subllm {
namespace {

/// Piecewise linear from `start` to `end` over the first `ramp` share of the run, then `end`.
double ramped(double start, double end, double ramp, double progress) {
  if (ramp <= 0 || progress >= ramp) return end;
  return start + (end - start) * progress / ramp;
}

/// One pair of parentheses: how it scores, and how its tokens return. At retention 1 it keeps
/// everything with weight 1 and has no scorer.
struct Module {
  double retention = 1;
  std::unique_ptr<Scorer> scorer;  // null at retention 1
  at::Tensor bypass;               // [D]
  at::Tensor threshold;            // scalar, fp64; calibrated for scorers without a natural zero
};

struct State : DecoderState {
  State(int64_t n_rows, std::vector<std::unique_ptr<KvCache>> caches, size_t n_modules)
      : DecoderState(n_rows, std::move(caches)), kept(n_modules, std::vector<int64_t>(n_rows, 0)) {}
  std::vector<std::vector<int64_t>> kept;  // [module][row]: tokens that module has let in so far
};

/// What a level works on between its parentheses.
struct Level {
  at::Tensor x;
  RowsPtr rows;
  RopeAngles angles;
  at::Tensor tokens;
  Selection selection;  // how the level was entered; empty for level 0
};

class Subllm : public LanguageModel {
 public:
  Subllm(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : config_(config),
        structure_(parse_structure(config.structure, "/model/structure")),
        decoder_(config, vocab_size, initial),
        scorer_entry_(find_scorer(parts, config.scorer, "/model/scorer")),
        train_selector_(find_selector(parts, config.train_selector, "/model/train_selector")),
        evaluate_selector_(
            find_selector(parts, config.evaluate_selector, "/model/evaluate_selector")) {
    for (size_t m = 0; m < structure_.module_levels.size(); ++m)
      modules_.push_back(new_module(m, initial));
  }

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.embed(tokens); }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    if (run.mode == Mode::step && !evaluate_selector_.causal && !run.forced)
      throw UserError("/model/evaluate_selector",
                      "'" + evaluate_selector_.name + "' is not causal, so it cannot decode");
    auto* own_state = static_cast<State*>(state);
    std::vector<Level> levels;
    levels.push_back({std::move(x), batch.rows, decoder_.angles(*batch.rows), batch.tokens, {}});
    for (const Step& step : structure_.steps) {
      Level& level = levels.back();
      if (step.kind == Step::Kind::block) {
        KvCache* cache = state ? own_state->caches[step.index].get() : nullptr;
        level.x = decoder_.block(step.index, level.x, level.angles, *level.rows, cache);
      } else if (step.kind == Step::Kind::open) {
        levels.push_back(enter(step.index, level, own_state, run));
      } else {
        const Level inner = std::move(levels.back());
        levels.pop_back();
        leave(step.index, inner, levels.back(), run);
      }
    }
    if (state) state->advance(*batch.rows);
    return decoder_.final_norm(levels.back().x);
  }

  const at::Tensor& head_weight() const override { return decoder_.head_weight(); }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override {
    std::vector<std::unique_ptr<KvCache>> caches(structure_.n_blocks);
    std::vector<double> share{1.0};
    for (const Step& step : structure_.steps) {
      if (step.kind == Step::Kind::open)
        share.push_back(share.back() * modules_[step.index].retention);
      if (step.kind == Step::Kind::close) share.pop_back();
      if (step.kind == Step::Kind::block)
        caches[step.index] = decoder_.new_cache(
            n_rows,
            static_cast<int64_t>(std::ceil(share.back() * static_cast<double>(expected_tokens))));
    }
    return std::make_unique<State>(n_rows, std::move(caches), modules_.size());
  }

  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> out = decoder_.parameters();
    for (size_t m = 0; m < modules_.size(); ++m) {
      if (modules_[m].scorer)
        for (auto& parameter : modules_[m].scorer->parameters()) out.push_back(parameter);
      out.push_back({module_name(m) + ".bypass_scale", modules_[m].bypass, 1.0, false});
    }
    return out;
  }

  std::vector<Buffer> buffers() const override {
    std::vector<Buffer> out;
    for (size_t m = 0; m < modules_.size(); ++m)
      if (modules_[m].scorer) out.push_back({module_name(m) + ".threshold", modules_[m].threshold});
    return out;
  }

  void add_cost(const CostShape& shape, Ledger& ledger) const override;
  std::vector<double> retention() const override {
    std::vector<double> out;
    for (const Module& module : modules_) out.push_back(module.retention);
    return out;
  }
  std::vector<int64_t> module_levels() const override { return structure_.module_levels; }
  void calibrate(const std::vector<Batch>& batches) override;

 private:
  static std::string module_name(size_t m) { return "model.modules." + std::to_string(m); }

  Module new_module(size_t m, const Initial& initial) const {
    Module module;
    module.retention = config_.retention_of(static_cast<int64_t>(m));
    module.bypass = constant_parameter({config_.d_model}, config_.bypass_init, initial);
    module.threshold = at::zeros({}, at::kDouble);
    if (module.retention < 1)
      module.scorer = scorer_entry_.make({module_name(m) + ".scorer", static_cast<int64_t>(m),
                                          config_.d_model, module.retention, initial,
                                          write_fields(config_), decoder_.options()});
    return module;
  }

  Level enter(int64_t m, const Level& parent, State* state, const Run& run) const;
  void leave(int64_t m, const Level& inner, Level& parent, const Run& run) const;
  Selection decide(int64_t m, const Level& parent, const Run& run) const;

  Config config_;
  Structure structure_;
  Decoder decoder_;
  ScorerEntry scorer_entry_;
  SelectorEntry train_selector_, evaluate_selector_;
  std::vector<Module> modules_;
};

Selection keep_all(const at::Tensor& x, const Rows& rows) {
  return {at::arange(rows.n_tokens(), at::kLong).to(x.device()),
          at::ones({rows.n_tokens()}, x.options()), rows.lengths()};
}

/// The selection that `rule` wants, with the weights that the scores give.
Selection forced_selection(const at::Tensor& scores, const Rows& rows, int64_t module,
                           const KeepRule& rule) {
  std::vector<int64_t> index, lengths(rows.n_rows(), 0);
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b); ++i)
      if (rule.keep(module, b, rows.start(b) + i)) {
        index.push_back(rows.begin(b) + i);
        ++lengths[b];
      }
  const at::Tensor chosen = at::tensor(index, at::kLong).to(scores.device());
  return {chosen, scores.index_select(0, chosen).clamp(0, 1), lengths};
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
      out.record(module, b, rows.start(b) + i, kept);
    }
}

Selection Subllm::decide(int64_t m, const Level& parent, const Run& run) const {
  const Module& module = modules_[m];
  if (!module.scorer && !run.forced) return keep_all(parent.x, *parent.rows);
  const bool training = run.mode == Mode::train;
  at::Tensor scores = at::ones({parent.rows->n_tokens()}, parent.x.options());
  if (module.scorer) {
    scores = module.scorer->scores({parent.x, *parent.rows, parent.tokens, run});
    // The gate's arithmetic is done in fp32 at least.
    if (scores.scalar_type() != at::kDouble) scores = scores.to(at::kFloat);
    const double threshold = module.threshold.item<double>() + config_.threshold;
    if (threshold != 0) scores = scores - threshold;
  }
  if (training && run.coins && config_.gate == "score" && module.scorer &&
      config_.balancer_strength > 0 &&
      run.coins->flip(
          "balancer", m,
          ramped(1.0, config_.balancer_probability_end, config_.balancer_ramp, run.progress)))
    scores = Balancer{module.retention, config_.balancer_strength}(scores);
  const SelectorEntry& selector = training ? train_selector_ : evaluate_selector_;
  Selection selection = run.forced
                            ? forced_selection(scores, *parent.rows, m, *run.forced)
                            : selector.select({scores, *parent.rows, module.retention, m, run});
  if (config_.gate == "one" || !module.scorer) selection.weights = at::ones_like(selection.weights);
  selection.weights = selection.weights.to(parent.x.scalar_type());
  if (run.observer)
    run.observer->selected(m, scores, *parent.rows, selection.index, selection.weights);
  return selection;
}

Level Subllm::enter(int64_t m, const Level& parent, State* state, const Run& run) const {
  Selection selection = decide(m, parent, run);
  if (run.recorded) record_decisions(*run.recorded, m, *parent.rows, selection.index);
  std::vector<int64_t> starts(parent.rows->n_rows(), 0);
  if (state) {
    starts = state->kept[m];
    for (size_t b = 0; b < starts.size(); ++b) state->kept[m][b] += selection.lengths[b];
  }
  Level inner;
  const at::Tensor& index = selection.index;
  inner.rows = parent.rows->keep(index.to(at::kCPU), selection.lengths, starts);
  inner.x = gather_rows(parent.x, index);
  inner.angles = parent.angles.keep(index);
  inner.tokens = parent.tokens.index_select(0, index);
  inner.selection = std::move(selection);
  return inner;
}

void Subllm::leave(int64_t m, const Level& inner, Level& parent, const Run& run) const {
  at::Tensor c = modules_[m].bypass;
  if (run.mode == Mode::train && run.coins &&
      run.coins->flip("bypass_limit", m, config_.bypass_probability))
    c = limit_parameter(
        c,
        ramped(config_.bypass_low_start, config_.bypass_low_end, config_.bypass_ramp, run.progress),
        1.0);
  if (inner.x.size(0) == 0) return;
  parent.x = bypass_return(parent.x, inner.x, inner.selection.index, inner.selection.weights, c);
}

void Subllm::add_cost(const CostShape& shape, Ledger& ledger) const {
  struct Counts {
    std::vector<double> tokens, past;
    double share;  // probability that one token gets here
  };
  std::vector<Counts> levels(1);
  levels[0].tokens.assign(shape.new_tokens.begin(), shape.new_tokens.end());
  levels[0].past.assign(shape.past_tokens.begin(), shape.past_tokens.end());
  levels[0].share = 1;
  double all = 0;
  for (const double n : levels[0].tokens) all += n;
  for (const Step& step : structure_.steps) {
    const Counts& at = levels.back();
    const double bytes = shape.bytes_per_number;
    if (step.kind == Step::Kind::block) {
      const double reached = 1 - std::pow(1 - at.share, all);
      decoder_.add_block_cost(step.index, step.level, at.tokens, at.past, reached, bytes, ledger);
    } else if (step.kind == Step::Kind::open) {
      const Module& module = modules_[step.index];
      double n = 0;
      for (const double t : at.tokens) n += t;
      if (module.scorer) module.scorer->add_cost(ledger, step.level, n, bytes);
      const double d =
          shape.kept_fraction.empty() ? module.retention : shape.kept_fraction.at(step.index);
      Counts inner = at;
      for (double& t : inner.tokens)
        t = shape.kept_fraction.empty() && t > 1 ? std::ceil(t * d - 1e-9) : t * d;
      for (double& t : inner.past) t *= d;
      inner.share *= d;
      levels.push_back(inner);
    } else {
      levels.pop_back();
    }
  }
  decoder_.add_head_cost(all, shape.bytes_per_number, ledger);
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
  if (scorer_entry_.natural_zero) return;
  at::NoGradGuard no_grad;
  // Outer modules first: an inner level's scores depend on who was let in.
  for (size_t m = 0; m < modules_.size(); ++m) {
    if (!modules_[m].scorer) continue;
    modules_[m].threshold.zero_();
    ScoreCollector collector(static_cast<int64_t>(m));
    Run run;
    run.observer = &collector;
    for (const Batch& batch : batches) run_model(*this, batch, nullptr, run);
    modules_[m].threshold.fill_(collector.upper_quantile(modules_[m].retention));
  }
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
