// One place where a model chooses tokens: who goes on, with which weight. Score, select, gate,
// balance; recorded and observed. Architectures say what the chosen tokens pass through.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/selection/gate.h"
#include "models/selection/scorer.h"
#include "models/selection/selector.h"

namespace sublab {

/// The parts that a router is made of.
struct SelectionParts {
  std::vector<ScorerEntry> scorers;
  std::vector<SelectorEntry> selectors;
  std::vector<GateEntry> gates;
};

/// How tokens are chosen: fields of the config of every architecture that does it.
struct RouterConfig {
  json retention = 0.64;
  double retention_ramp = 0;
  json scorer = "learned";
  json train_scorer = "same";
  json gate = "auto";
  json train_selector = "auto";
  json evaluate_selector = "auto";
  std::string balancer = "gradient";
  double balancer_strength = 0;
  double balancer_min_abs = 1;
  double balancer_max_abs = 4;
  double balancer_probability_end = 0.25;
  double balancer_ramp = 0.2;
  /// Set by architectures whose schedule counts optimizer steps: balancer_ramp in those. 0 = share.
  double balancer_ramp_steps = 0;
  /// Set by architectures whose gate weighs also where everything is kept: scores at retention 1.
  bool weighs_at_full_retention = false;
  /// Set by architectures that hand decide() other scores to decide by.
  bool others_decide = false;

  template <class F>
  void fields(F& f) {
    f("retention", retention,
      "kept / parent tokens, in (0, 1]; one number, or a list: one per place of choice");
    f("retention_ramp", retention_ramp,
      "share of the run over which retention falls from 1 to its value in training", within(0, 1));
    f("scorer", scorer, "how important a token is (see `sublab list scorer`)");
    f("train_scorer", train_scorer, "another scorer that selects in training only; same = scorer");
    f("gate", gate,
      "weight of a kept token (see `sublab list gate`); auto = score where the scorer's is a "
      "weight, else one");
    f("train_selector", train_selector,
      "who is kept in training (see `sublab list selector`); auto = top_k_discard where the gate "
      "reads the selecting scores, else top_k");
    f("evaluate_selector", evaluate_selector,
      "who is kept in evaluation and decoding; auto = expert_threshold where the gate reads "
      "scores, "
      "else threshold");
    f("balancer", balancer,
      "gradient: changes the gradients that scores have; loss: one of its own, for every score",
      one_of({"gradient", "loss"}));
    f("balancer_strength", balancer_strength,
      "relative change of the scores' gradient, or weight of the loss; 0 = off", within(0, 10));
    f("balancer_min_abs", balancer_min_abs, "lower limit of the scores' mean absolute value",
      within(0, 1e3));
    f("balancer_max_abs", balancer_max_abs, "upper limit", within(0, 1e3));
    f("balancer_probability_end", balancer_probability_end,
      "probability that it acts, falling from 1 to this", within(0, 1));
    f("balancer_ramp", balancer_ramp, "over this share of the run", within(0, 1));
  }

  /// Writes out every choice, settles the "auto" ones, and refuses what has no meaning at `n_sites`
  /// places: there, what is not as in `defaults` was wished for.
  void resolve(const std::string& path, size_t n_sites, const SelectionParts& parts,
               const RouterConfig& defaults);
  /// Retention at place `site`.
  double retention_at(int64_t site) const {
    return retention.is_array() ? retention.at(site).get<double>() : retention.get<double>();
  }
  bool has_train_scorer() const { return chosen_type(train_scorer) != "same"; }

 private:
  void resolve_choices(const std::string& path, const SelectionParts& parts);
  void check_no_balancer(const std::string& path, bool learns, const RouterConfig& defaults) const;
};

/// What a router remembers between the steps of a decode state.
struct RouterMemory {
  std::unique_ptr<RowMemory> scorer, selector, gate;
  std::vector<int64_t> kept;  ///< per row: tokens chosen so far
  int64_t n_bytes() const;
  /// Row i goes on where row `rows[i]` of this one stands.
  RouterMemory fork(const std::vector<int64_t>& rows) const;
};

class Router {
 public:
  /// `context.name` stands before its tensors in a checkpoint. At retention 1 everything is kept;
  /// with weight 1 and without a scorer, unless config.weighs_at_full_retention.
  Router(const RouterConfig& config, ScorerContext context, const SelectionParts& parts);

  RouterMemory new_memory(int64_t n_rows) const;
  /// Who of `level` is kept, with which weight. `memory` goes on where the last step ended. Told to
  /// the run's observer and recorder. `deciding` [N], where config.others_decide: what evaluation
  /// selects by, and the observer hears, in the place of the scores that the gate reads.
  Selection decide(const LevelView& level, RouterMemory& memory, const Run& run,
                   const at::Tensor& deciding = {}) const;

  double retention() const { return context_.retention; }
  bool has_scorer() const { return scorer_ != nullptr; }
  /// Whether evaluation keeps the tokens whose score is above 0.
  bool decides_by_threshold() const { return decides_by_threshold_; }
  bool needs_attention() const { return needs_.attention; }
  bool needs_readout() const { return needs_.head; }
  /// Tokens that a whole row of `length` keeps in training.
  int64_t expected(int64_t length, double retention) const {
    return train_selector_->expected(length, retention);
  }
  void prepare(const std::vector<Batch>& batches);
  bool needs_calibration() const { return scorer_ && needs_calibration_ && context_.retention < 1; }
  /// Adds to all scores; the selector's own threshold stays.
  void set_threshold(double value) { threshold_.fill_(value); }
  /// What calibration found; kept by the selector where it follows a cut itself.
  void take_cut(double cut);
  double selector_threshold() const;
  /// Everything enters with weight 1: the scores of a learned scorer are 0 and its threshold is -1,
  /// the lowest that gives weight 1, so that gradients reach the scorer. Throws UserError at
  /// `where` if no score weighs 1 under this gate.
  void make_transparent(const std::string& where);
  void add_cost(const ScorerShape& shape, Ledger& ledger) const;
  std::vector<Parameter> parameters() const;
  std::vector<Buffer> buffers() const;

 private:
  at::Tensor scores_of(const Scorer& scorer, const LevelView& level, RowMemory* memory,
                       const Run& run) const;
  Selection decide_in_order(const LevelView& level, RouterMemory& memory, const Run& run,
                            const at::Tensor& deciding) const;
  at::Tensor balanced(const at::Tensor& scores, double retention, const Run& run) const;
  at::Tensor selector_cut(bool training) const;
  Selection select(const at::Tensor& scores, const at::Tensor& deciding, const LevelView& level,
                   double retention, RouterMemory& memory, const Run& run) const;
  void tell(const at::Tensor& scores, const LevelView& level, const Selection& selection,
            const Run& run) const;

  RouterConfig config_;
  ScorerContext context_;
  ScorerNeeds needs_;
  bool causal_ = true, needs_calibration_ = false, gate_reads_scores_ = false;
  bool one_at_one_ = false, decides_by_threshold_ = false;
  std::unique_ptr<Scorer> scorer_;        // null at retention 1
  std::unique_ptr<Scorer> train_scorer_;  // null unless another one selects in training
  std::unique_ptr<Gate> gate_;
  std::shared_ptr<Selector> evaluate_selector_;
  std::shared_ptr<Selector> train_selector_;  // the same where it is the same choice
  at::Tensor threshold_;  // scalar, fp64; calibrated for scorers without a natural zero
};

/// Fits the thresholds of scorers without a natural zero on `batches`, so that a share `retention`
/// of the scores lies above. `routers` stand in the order in which a token meets them: later scores
/// depend on who was let in.
void calibrate_routers(const LanguageModel& model, const std::vector<Router*>& routers,
                       const std::vector<Batch>& batches);

/// Piecewise linear from `start` to `end` over the first `ramp`, then `end`.
double ramped(double start, double end, double ramp, double progress);

}  // namespace sublab
