#include "models/subllm/module.h"

#include <ATen/core/grad_mode.h>

#include "models/subllm/training_aids.h"

namespace sublab::subllm {
namespace module_detail {

/// The paper's schedules, in optimizer steps.
constexpr double kPaperBalancerSteps = 8000, kPaperBypassSteps = 20000;

/// Piecewise linear from `start` to `end` over the first `ramp`, then `end`.
double ramped(double start, double end, double ramp, double progress) {
  if (ramp <= 0 || progress >= ramp) return end;
  return start + (end - start) * progress / ramp;
}

Selection keep_all(const at::Tensor& x, const Rows& rows) {
  return {at::arange(rows.n_tokens(), at::kLong).to(x.device()),
          at::ones({rows.n_tokens()}, x.options()), rows.lengths()};
}

/// Those that `rule` wants.
Selection forced_selection(const at::Tensor& scores, const Rows& rows, int64_t module,
                           const KeepRule& rule) {
  std::vector<int64_t> index, lengths(rows.n_rows(), 0);
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b); ++i)
      if (rule.keep(module, b, rows.ordinal(b, i))) {
        index.push_back(rows.begin(b) + i);
        ++lengths[b];
      }
  const at::Tensor chosen = at::tensor(index, at::kLong).to(scores.device());
  return {chosen, scores.index_select(0, chosen).clamp(0, 1), lengths};
}

}  // namespace module_detail

using namespace module_detail;

Module::Module(const Config& config, int64_t index, const std::string& name, const TokenEnds& ends,
               const Initial& initial, const Parts& parts)
    : config_(config),
      index_(index),
      name_(name),
      retention_(config.retention_of(index)),
      train_selector_(find_selector(parts, config.train_selector, "/model/train_selector")),
      evaluate_selector_(
          find_selector(parts, config.evaluate_selector, "/model/evaluate_selector")),
      bypass_(constant_parameter({config.d_model}, config.bypass_init, initial)),
      threshold_(at::zeros({}, at::kDouble)) {
  if (retention_ >= 1) return;
  const ScorerContext context{name + ".scorer",           index,         config.d_model,
                              ends.head_weight().size(0), retention_,    initial,
                              write_fields(config),       ends.options()};
  const ScorerEntry& entry = find_scorer(parts, config.scorer, "/model/scorer");
  scorer_ = entry.make(context);
  reads_attention_ = entry.needs.attention;
  if (config.train_scorer == "same" || config.train_scorer == config.scorer) return;
  const ScorerEntry& trains = find_scorer(parts, config.train_scorer, "/model/train_scorer");
  ScorerContext other = context;
  other.name = name + ".train_scorer";
  train_scorer_ = trains.make(other);
  reads_attention_ |= trains.needs.attention;
}

ModuleMemory ModuleMemory::fork(const std::vector<int64_t>& rows) const {
  ModuleMemory out;
  if (scorer) out.scorer = scorer->fork(rows);
  if (selector) out.selector = selector->fork(rows);
  for (const int64_t row : rows) out.kept.push_back(kept.at(row));
  return out;
}

ModuleMemory Module::new_memory(int64_t n_rows) const {
  ModuleMemory memory;
  if (scorer_) memory.scorer = scorer_->new_memory(n_rows);
  if (evaluate_selector_.new_memory) memory.selector = evaluate_selector_.new_memory(n_rows);
  memory.kept.assign(n_rows, 0);
  return memory;
}

at::Tensor Module::scores_of(const Scorer& scorer, const Level& parent, const Readout& readout,
                             RowMemory* memory, const Run& run) const {
  const BlockProbe* probe = parent.probe.q_NHK.defined() ? &parent.probe : nullptr;
  const at::Tensor scores = scorer.scores(
      {parent.x, *parent.rows, parent.tokens, parent.hints, run, readout, probe, memory});
  // The gate's arithmetic is done in fp32 at least.
  return scores.scalar_type() == at::kDouble ? scores : scores.to(at::kFloat);
}

at::Tensor Module::balanced(const at::Tensor& scores, double retention, const Run& run) const {
  if (!run.coins || config_.gate != "score" || config_.balancer_strength == 0) return scores;
  const double done = config_.schedule == "fractions" ? run.progress : double(run.step);
  const double ramp = config_.schedule == "fractions" ? config_.balancer_ramp : kPaperBalancerSteps;
  const double p = ramped(1.0, config_.balancer_probability_end, ramp, done);
  if (!run.coins->flip("balancer", index_, p)) return scores;
  return Balancer{retention, config_.balancer_strength}(scores);
}

/// Scorers and selectors see each row's tokens by ascending ordinal, wherever they lie.
Selection Module::decide(const Level& parent, const Readout& readout, ModuleMemory& memory,
                         const Run& run) const {
  if (parent.rows->ascending()) return decide_in_order(parent, readout, memory, run);
  at::Tensor order = parent.rows->ascending_order();
  Level ordered;
  ordered.rows = parent.rows->permuted(order);
  order = order.to(parent.x.device());
  const auto in_order = [&](const at::Tensor& x) {
    return x.defined() ? x.index_select(0, order) : x;
  };
  ordered.x = in_order(parent.x);
  ordered.tokens = in_order(parent.tokens);
  ordered.hints = in_order(parent.hints);
  ordered.probe = {in_order(parent.probe.q_NHK), in_order(parent.probe.k_NGK)};
  Selection selection = decide_in_order(ordered, readout, memory, run);
  const at::Tensor places = order.index_select(0, selection.index);
  const at::Tensor ascending = places.argsort();
  selection.index = places.index_select(0, ascending);
  selection.weights = selection.weights.index_select(0, ascending);
  return selection;
}

Selection Module::decide_in_order(const Level& parent, const Readout& readout, ModuleMemory& memory,
                                  const Run& run) const {
  if (!scorer_ && !run.forced) return keep_all(parent.x, *parent.rows);
  const bool training = run.mode == Mode::train;
  const double retention =
      training ? ramped(1.0, retention_, config_.retention_ramp, run.progress) : retention_;
  at::Tensor scores = at::ones({parent.rows->n_tokens()}, parent.x.options());
  if (scorer_) {
    scores = scores_of(*scorer_, parent, readout, memory.scorer.get(), run);
    const double threshold = threshold_.item<double>() + config_.threshold;
    if (threshold != 0) scores = scores - threshold;
    if (training) scores = balanced(scores, retention, run);
  }
  const bool other = training && train_scorer_;
  at::Tensor selecting = scores;
  if (other) {
    const auto own = train_scorer_->new_memory(parent.rows->n_rows());
    selecting = scores_of(*train_scorer_, parent, readout, own.get(), run).detach();
  }
  const SelectorEntry& selector = training ? train_selector_ : evaluate_selector_;
  std::unique_ptr<RowMemory> fresh;
  RowMemory* selector_memory = memory.selector.get();
  if (training && selector.new_memory) {
    fresh = selector.new_memory(parent.rows->n_rows());
    selector_memory = fresh.get();
  }
  Selection selection =
      run.forced ? forced_selection(scores, *parent.rows, index_, *run.forced)
                 : selector.select({selecting, *parent.rows, retention, config_.rounding_rule(),
                                    index_, run, selector_memory});
  if (other) selection.weights = scores.index_select(0, selection.index).clamp(0, 1);
  if (config_.gate == "one" || !scorer_) selection.weights = at::ones_like(selection.weights);
  selection.weights = selection.weights.to(parent.x.scalar_type());
  if (run.observer)
    run.observer->selected(index_, scores, *parent.rows, selection.index, selection.weights);
  return selection;
}

at::Tensor Module::bypass(const Run& run) const {
  if (run.observer) run.observer->returned(index_, bypass_);
  if (run.mode != Mode::train || !run.coins ||
      !run.coins->flip("bypass_limit", index_, config_.bypass_probability))
    return bypass_;
  const bool fractions = config_.schedule == "fractions";
  const double low = ramped(config_.bypass_low_start, config_.bypass_low_end,
                            fractions ? config_.bypass_ramp : kPaperBypassSteps,
                            fractions ? run.progress : double(run.step));
  return limit_parameter(bypass_, low, 1.0);
}

void Module::make_transparent() {
  at::NoGradGuard no_grad;
  bypass_.fill_(1);
  if (!scorer_) return;
  for (Parameter& parameter : scorer_->parameters()) parameter.tensor.zero_();
  if (!scorer_->parameters().empty()) threshold_.fill_(-1);
}

void Module::prepare(const std::vector<Batch>& batches) {
  for (Scorer* scorer : {scorer_.get(), train_scorer_.get()})
    if (scorer) scorer->prepare(batches);
}

std::vector<Parameter> Module::parameters() const {
  std::vector<Parameter> out;
  if (scorer_) out = scorer_->parameters();
  out.push_back({name_ + ".bypass_scale", bypass_, 1.0, false});
  return out;
}

std::vector<Buffer> Module::buffers() const {
  std::vector<Buffer> out;
  if (!scorer_) return out;
  out.push_back({name_ + ".threshold", threshold_});
  for (const Scorer* scorer : {scorer_.get(), train_scorer_.get()})
    if (scorer)
      for (const Buffer& buffer : scorer->buffers()) out.push_back(buffer);
  return out;
}

}  // namespace sublab::subllm
