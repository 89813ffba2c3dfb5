// SUBLLM's settings.
#pragma once

#include <vector>

#include "models/parts/decoder.h"
#include "models/selection/scorer.h"
#include "models/subllm/structure.h"

namespace sublab::subllm {

struct Config : DecoderConfig {
  std::string architecture = "subllm";
  std::string structure = "TT(T(TT)T)TT";
  json retention = 0.64;
  std::string rounding = "ceil";
  std::string positions = "composed";
  std::string scorer = "learned";
  std::string train_scorer = "same";
  std::string scorer_input = "raw";
  std::string gate = "auto";
  std::string train_selector = "auto";
  std::string evaluate_selector = "threshold";
  double threshold = 0;
  bool attention_log_weight = false;
  double retention_ramp = 0;
  std::string schedule = "fractions";
  double scorer_init_std = 0;
  double scorer_learning_rate_scale = 0.5;
  double balancer_strength = 0.04;
  double balancer_probability_end = 0.25;
  double balancer_ramp = 0.2;
  double bypass_init = 0.5;
  double bypass_low_start = 0.9;
  double bypass_low_end = 0.2;
  double bypass_ramp = 0.5;
  double bypass_probability = 0.6;

  template <class F>
  void fields(F& f) {
    f("architecture", architecture, "subllm", one_of({"subllm"}));
    DecoderConfig::fields(f);
    f("structure", structure, "T = block, ( = leave tokens out, ) = bring them back");
    f("retention", retention,
      "kept / parent tokens, in (0, 1]; one number, or a list: one per '('");
    f("rounding", rounding, "how many a row of T keeps in training: T * retention, made whole",
      one_of({"ceil", "floor", "round"}));
    f("positions", positions,
      "of inner levels: composed = the original ones; level_local = places in the parent level",
      one_of({"composed", "level_local"}));
    f("scorer", scorer, "how important a token is (see `sublab list scorer`)");
    f("train_scorer", train_scorer, "another scorer that selects in training only; same = scorer");
    f("scorer_input", scorer_input,
      "of the learned scorer: raw = the residual stream; normed = divided by its root mean square",
      one_of({"raw", "normed"}));
    f("gate", gate,
      "weight of a kept token: score or one; auto = score where the scorer's is a weight",
      one_of({"auto", "score", "one"}));
    f("train_selector", train_selector,
      "who is kept in training; auto = top_k_discard with gate score, else top_k");
    f("evaluate_selector", evaluate_selector, "who is kept in evaluation and decoding");
    f("threshold", threshold, "added to every module's threshold", within(-1e6, 1e6));
    f("attention_log_weight", attention_log_weight,
      "add log(weight + 0.001) of a kept token to the attention logits of its key");
    f("retention_ramp", retention_ramp,
      "share of the run over which retention falls from 1 to its value in training", within(0, 1));
    f("schedule", schedule,
      "fractions: the ramps below are shares of the run; paper_steps: balancer over 8000 and "
      "bypass over 20000 optimizer steps",
      one_of({"fractions", "paper_steps"}));
    f("scorer_init_std", scorer_init_std, "of the learned scorer; 0 = uniform in +-d_model^-0.5",
      within(0, 100));
    f("scorer_learning_rate_scale", scorer_learning_rate_scale, "of the learned scorer",
      within(0, 100));
    f("balancer_strength", balancer_strength, "relative change of the scores' gradient; 0 = off",
      within(0, 10));
    f("balancer_probability_end", balancer_probability_end,
      "probability that it acts, falling from 1 to this", within(0, 1));
    f("balancer_ramp", balancer_ramp, "over this share of the run", within(0, 1));
    f("bypass_init", bypass_init, "initial bypass scale", within(0, 1));
    f("bypass_low_start", bypass_low_start, "lower limit of the bypass scale at the start",
      within(0, 1));
    f("bypass_low_end", bypass_low_end, "and after the ramp", within(0, 1));
    f("bypass_ramp", bypass_ramp, "over this share of the run", within(0, 1));
    f("bypass_probability", bypass_probability,
      "probability that the limits act on a step; 0 = off", within(0, 1));
  }

  /// Checks against the parts that there are; `given` tells which keys the user wrote.
  void resolve(const std::string& path, const json& given, const Parts& parts);
  /// The part of it that settles who selects, and the "auto" values.
  void resolve_selection(const std::string& path, const Parts& parts);
  Rounding rounding_rule() const {
    return rounding == "floor"   ? Rounding::floor
           : rounding == "round" ? Rounding::round
                                 : Rounding::ceil;
  }
  /// Retention of module m.
  double retention_of(int64_t module) const {
    return retention.is_array() ? retention.at(module).get<double>() : retention.get<double>();
  }
};

/// Finds a scorer or selector by name; throws UserError at `where` with the nearest name.
const ScorerEntry& find_scorer(const Parts& parts, const std::string& name,
                               const std::string& where);
const SelectorEntry& find_selector(const Parts& parts, const std::string& name,
                                   const std::string& where);

}  // namespace sublab::subllm
