// A router is made of parts: what each of them decides stands in its own file. Here is the order.
#include "models/selection/router.h"

#include <algorithm>
#include <cmath>

#include "models/parts/kv_policy.h"
#include "models/selection/balancer.h"
#include "models/selection/kept_where.h"
#include "models/transfer.h"

namespace sublab {
namespace router {

Selection keep_all(const LevelView& level) {
  const int64_t n = level.rows.n_tokens();
  return {at::arange(n, level.x.options().dtype(at::kLong)), at::ones({n}, level.x.options()),
          level.rows.lengths()};
}

/// What scores are above `cut`. One on the host is read, and costs nothing where it is 0; one on a
/// device is not read.
at::Tensor above(const at::Tensor& scores, const at::Tensor& cut) {
  if (!cut.defined()) return scores;
  if (!cut.is_cpu()) return scores - cut;
  const double value = cut.item<double>();
  return value == 0 ? scores : scores - value;
}

/// `index` lies on the host.
void record_decisions(RecordedKeeps& out, int64_t site, const Rows& rows, const at::Tensor& index) {
  const at::Tensor in_turn = index.contiguous();
  const auto* next = in_turn.const_data_ptr<int64_t>();
  const auto* end = next + in_turn.numel();
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b); ++i) {
      const bool kept = next != end && *next == rows.begin(b) + i;
      next += kept;
      out.record(site, b, rows.ordinal(b, i), kept);
    }
}

/// Collects the scores that a site sees.
class ScoreCollector : public Observer {
 public:
  explicit ScoreCollector(int64_t site) : site_(site) {}
  void selected(int64_t site, const at::Tensor& scores, const Rows&, const at::Tensor&,
                const at::Tensor&) override {
    if (site == site_) scores_.push_back(scores.detach().to(at::kDouble).cpu());
  }
  /// The value that a share `d` of the scores lies above.
  double upper_quantile(double d) const {
    const at::Tensor sorted = std::get<0>(at::cat(scores_).sort());
    const int64_t n = sorted.numel();
    const int64_t below = std::clamp<int64_t>(n - static_cast<int64_t>(std::llround(d * n)), 1, n);
    return sorted[below - 1].item<double>();
  }

 private:
  int64_t site_;
  std::vector<at::Tensor> scores_;
};

}  // namespace router

double ramped(double start, double end, double ramp, double progress) {
  if (ramp <= 0 || progress >= ramp) return end;
  return start + (end - start) * progress / ramp;
}

int64_t RouterMemory::n_bytes() const {
  int64_t sum = 0;
  for (const RowMemory* part : {scorer.get(), selector.get(), gate.get()})
    if (part) sum += part->n_bytes();
  return sum;
}

RouterMemory RouterMemory::fork(const std::vector<int64_t>& rows) const {
  RouterMemory out;
  if (scorer) out.scorer = scorer->fork(rows);
  if (selector) out.selector = selector->fork(rows);
  if (gate) out.gate = gate->fork(rows);
  for (const int64_t row : rows) out.kept.push_back(kept[row]);
  return out;
}

Router::Router(const RouterConfig& config, ScorerContext context, const SelectionParts& parts)
    : config_(config),
      context_(std::move(context)),
      gate_(make_choice(parts.gates, "gate", config.gate, "/model/gate", {})),
      evaluate_selector_(make_choice(parts.selectors, "selector", config.evaluate_selector,
                                     "/model/evaluate_selector", {context_.tensor_options})),
      train_selector_(config.train_selector == config.evaluate_selector
                          ? evaluate_selector_
                          : make_choice(parts.selectors, "selector", config.train_selector,
                                        "/model/train_selector", {context_.tensor_options})),
      threshold_(at::zeros({}, at::kDouble)) {
  const GateEntry& gate = find_entry(parts.gates, "gate", chosen_type(config.gate), "/model/gate");
  gate_reads_scores_ = gate.reads_scores;
  one_at_one_ = gate.one_at_one;
  if (context_.retention >= 1 && !(config.weighs_at_full_retention && gate_reads_scores_)) return;
  const auto make = [&](const json& choice, const char* where,
                        const char* name) -> std::unique_ptr<Scorer> {
    const ScorerEntry& entry = find_entry(parts.scorers, "scorer", chosen_type(choice), where);
    needs_.attention |= entry.needs.attention;
    needs_.head |= entry.needs.head;
    ScorerContext own = context_;
    own.name += name;
    return entry.make(read_choice(choice, where, ""), own);
  };
  scorer_ = make(config.scorer, "/model/scorer", ".scorer");
  if (config.has_train_scorer())
    train_scorer_ = make(config.train_scorer, "/model/train_scorer", ".train_scorer");
  const ScorerEntry& scorer = find_entry(parts.scorers, "scorer", chosen_type(config.scorer), "");
  const SelectorEntry& evaluates =
      find_entry(parts.selectors, "selector", chosen_type(config.evaluate_selector), "");
  causal_ = scorer.causal && evaluates.causal;
  const bool natural_zero = scorer.natural_zero || config.others_decide;
  decides_by_threshold_ = evaluates.uses_threshold && context_.retention < 1;
  needs_calibration_ = !natural_zero && evaluates.uses_threshold;
}

RouterMemory Router::new_memory(int64_t n_rows) const {
  RouterMemory memory;
  if (scorer_) memory.scorer = scorer_->new_memory(n_rows);
  memory.selector = evaluate_selector_->new_memory(n_rows);
  memory.gate = gate_->new_memory(n_rows);
  memory.kept.assign(n_rows, 0);
  return memory;
}

at::Tensor Router::scores_of(const Scorer& scorer, const LevelView& level, RowMemory* memory,
                             const Run& run) const {
  const at::Tensor scores = scorer.scores({level, run, memory});
  // The gate's arithmetic is done in fp32 at least.
  return scores.scalar_type() == at::kDouble ? scores : scores.to(at::kFloat);
}

at::Tensor Router::balanced(const at::Tensor& scores, double retention, const Run& run) const {
  if (!run.coins || !gate_reads_scores_ || config_.balancer_strength == 0) return scores;
  const bool in_steps = config_.balancer_ramp_steps > 0;
  const double p = ramped(1.0, config_.balancer_probability_end,
                          in_steps ? config_.balancer_ramp_steps : config_.balancer_ramp,
                          in_steps ? static_cast<double>(run.step) : run.progress);
  if (!run.coins->flip("balancer", context_.site, p)) return scores;
  const Balancer balancer{retention, config_.balancer_strength, config_.balancer_min_abs,
                          config_.balancer_max_abs};
  if (config_.balancer == "gradient") return balancer(scores);
  if (run.losses) run.losses->add("balancer", balancer.loss(scores), config_.balancer_strength);
  return scores;
}

void Router::take_cut(double cut) { set_threshold(evaluate_selector_->take_cut(cut) ? 0 : cut); }

double Router::selector_threshold() const {
  const at::Tensor own = evaluate_selector_->threshold();
  return own.defined() ? own.item<double>() : 0;
}

at::Tensor Router::selector_cut(bool training) const {
  const at::Tensor own = training ? train_selector_->threshold() : at::Tensor();
  return own.defined() ? own : evaluate_selector_->threshold();
}

/// By forced decisions, or by the selector of this mode.
Selection Router::select(const at::Tensor& scores, const at::Tensor& deciding,
                         const LevelView& level, double retention, RouterMemory& memory,
                         const Run& run) const {
  const at::Tensor weights = gate_->weights(scores);
  Selection out;
  if (run.forced) {
    out = kept_where(level.rows, scores.device(), [&](int64_t b, int64_t i) {
      return run.forced->keep(context_.site, b, level.rows.ordinal(b, i));
    });
  } else if (context_.retention >= 1) {
    out = router::keep_all(level);
    out.weights = at::Tensor();
  } else {
    const bool training = run.mode == Mode::train;
    at::Tensor selecting = training ? scores : deciding;
    if (training && train_scorer_) {
      const auto own = train_scorer_->new_memory(level.rows.n_rows());
      selecting = scores_of(*train_scorer_, level, own.get(), run).detach();
    }
    const Selector& selector = training ? *train_selector_ : *evaluate_selector_;
    const auto fresh = training ? selector.new_memory(level.rows.n_rows()) : nullptr;
    RowMemory* own = training ? fresh.get() : memory.selector.get();
    const SelectorInput input{selecting, weights, level.rows, retention, context_.site, run, own};
    out = selector.select(input);
    if (training && run.coins) {  // without coins, nothing trains
      evaluate_selector_->learn(
          {deciding, weights, level.rows, retention, context_.site, run, own});
    }
  }
  if (!out.weights.defined()) out.weights = weights.index_select(0, out.index);
  out.weights = gate_->among_kept(out.weights, out.lengths, memory.gate.get());
  out.weights = out.weights.to(level.x.scalar_type());
  return out;
}

void Router::tell(const at::Tensor& scores, const LevelView& level, const Selection& selection,
                  const Run& run) const {
  if (run.observer && scores.defined())
    run.observer->selected(context_.site, scores, level.rows, selection.index, selection.weights);
  if (run.recorded)
    router::record_decisions(
        *run.recorded, context_.site, level.rows,
        selection.index_on_host.defined() ? selection.index_on_host : selection.index.cpu());
}

/// Scorers and selectors see each row's tokens by ascending ordinal, wherever they lie.
Selection Router::decide(const LevelView& level, RouterMemory& memory, const Run& run,
                         const at::Tensor& deciding) const {
  if (level.rows.ascending()) return decide_in_order(level, memory, run, deciding);
  at::Tensor order = level.rows.ascending_order();
  const RowsPtr rows = level.rows.permuted(order);
  order = sent_to(level.x.device(), order);
  const auto in_order = [&](const at::Tensor& x) {
    return x.defined() ? x.index_select(0, order) : x;
  };
  const at::Tensor x = in_order(level.x), tokens = in_order(level.tokens),
                   hints = in_order(level.hints);
  BlockProbe probe;
  if (level.probe) probe = {in_order(level.probe->q_NHK), in_order(level.probe->k_NGK)};
  LevelView ordered{x, *rows, tokens, hints, level.level, level.readout};
  if (level.probe) ordered.probe = &probe;
  Selection selection = decide_in_order(ordered, memory, run, in_order(deciding));
  const at::Tensor places = order.index_select(0, selection.index);
  const at::Tensor ascending = places.argsort();
  selection.index = places.index_select(0, ascending);
  selection.index_on_host = at::Tensor();  // was that of the other order
  selection.weights = selection.weights.index_select(0, ascending);
  if (selection.scores.defined())
    selection.scores = selection.scores.index_select(0, inverse_permutation(order));
  return selection;
}

Selection Router::decide_in_order(const LevelView& level, RouterMemory& memory, const Run& run,
                                  const at::Tensor& deciding) const {
  if (run.mode == Mode::step && !run.forced && !causal_)
    throw UserError("/model/evaluate_selector",
                    "'" + chosen_type(config_.evaluate_selector) + "' over scorer '" +
                        chosen_type(config_.scorer) + "' is not causal, so it cannot decode");
  Selection out;
  at::Tensor scores, decides;
  if (!scorer_ && !run.forced) {
    out = router::keep_all(level);
  } else {
    const bool training = run.mode == Mode::train;
    const double retention =
        training ? ramped(1.0, context_.retention, config_.retention_ramp, run.progress)
                 : context_.retention;
    scores = at::ones({level.rows.n_tokens()}, level.x.options());
    if (scorer_) {
      scores = scores_of(*scorer_, level, memory.scorer.get(), run);
      const at::Tensor cut = config_.others_decide ? at::Tensor() : selector_cut(training);
      scores = router::above(scores, cut.defined() ? threshold_ + cut : threshold_);
      if (training) scores = balanced(scores, retention, run);
    }
    decides = deciding.defined() ? router::above(deciding, selector_cut(training)) : scores;
    out = select(scores, decides, level, retention, memory, run);
    if (scorer_) out.scores = scores;
  }
  out.starts = memory.kept;
  for (size_t b = 0; b < memory.kept.size(); ++b) memory.kept[b] += out.lengths[b];
  tell(decides, level, out, run);
  return out;
}

void Router::make_transparent(const std::string& where) {
  if (!scorer_) return;
  if (!one_at_one_)
    throw UserError(where, "lacks routers, and no score weighs 1 under gate " +
                               chosen_type(config_.gate) + "; use raw, score or one");
  at::NoGradGuard no_grad;
  for (Parameter& parameter : scorer_->parameters()) parameter.tensor.zero_();
  if (!scorer_->parameters().empty()) threshold_.fill_(-1);
}

void Router::prepare(const std::vector<Batch>& batches) {
  for (Scorer* scorer : {scorer_.get(), train_scorer_.get()})
    if (scorer) scorer->prepare(batches);
}

void Router::add_cost(const ScorerShape& shape, Ledger& ledger) const {
  if (scorer_) scorer_->add_cost(shape, ledger);
}

std::vector<Parameter> Router::parameters() const {
  std::vector<Parameter> out;
  for (const Scorer* scorer : {scorer_.get(), train_scorer_.get()})
    if (scorer)
      for (Parameter& parameter : scorer->parameters()) out.push_back(std::move(parameter));
  return out;
}

std::vector<Buffer> Router::buffers() const {
  std::vector<Buffer> out;
  if (!scorer_) return out;
  out.push_back({context_.name + ".threshold", threshold_});
  for (const Scorer* scorer : {scorer_.get(), train_scorer_.get()})
    if (scorer)
      for (Buffer& buffer : scorer->buffers()) out.push_back(std::move(buffer));
  for (const Buffer& buffer : evaluate_selector_->buffers())
    out.push_back({context_.name + ".selector." + buffer.name, buffer.tensor});
  return out;
}

void calibrate_routers(const LanguageModel& model, const std::vector<Router*>& routers,
                       const std::vector<Batch>& batches) {
  at::NoGradGuard no_grad;
  for (size_t site = 0; site < routers.size(); ++site) {
    Router& router = *routers[site];
    if (!router.needs_calibration()) continue;
    router.set_threshold(-router.selector_threshold());
    router::ScoreCollector collector(static_cast<int64_t>(site));
    Run run;
    run.observer = &collector;
    for (const Batch& batch : batches) run_model(model, batch, nullptr, run);
    router.take_cut(collector.upper_quantile(router.retention()));
  }
}

}  // namespace sublab
