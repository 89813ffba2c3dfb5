// Settings of Mixture-of-Depths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/entries/parts.h"

namespace sublab::mixture_of_depths {

struct Config : DecoderConfig, AttentionConfig, RouterConfig {
  json routed_blocks = "every_other";
  std::string decision = "auto";
  double auxiliary_weight = 0.01;
  int64_t predictor_width = 0;

  Config() {
    retention = 0.125;
    scorer = own_scorer();
  }
  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
    f("retention", retention,
      "chosen / all tokens of a row, in (0, 1]; one number, or a list: one per routed block");
    f("retention_ramp", retention_ramp,
      "share of the run over which retention falls from 1 to its value in training", within(0, 1));
    f("routed_blocks", routed_blocks,
      "every_other = blocks 1, 3, 5, ...; all; or a list of block numbers, from 0");
    f("scorer", scorer,
      "the router's score (see `sublab list scorer`); by default learned on the raw stream");
    f("train_scorer", train_scorer, "another scorer that selects in training only; same = scorer");
    f("gate", gate,
      "what a chosen token's change weighs (see `sublab list gate`); auto = raw where the scorer's "
      "is a weight, else one");
    f("train_selector", train_selector,
      "who is chosen in training (see `sublab list selector`); auto = top_k");
    f("decision", decision,
      "how evaluation knows whom training would choose: auxiliary_loss on the scores, predictor, "
      "or "
      "scores = nothing but the evaluating selector; auto = auxiliary_loss where it can teach",
      one_of({"auto", "auxiliary_loss", "predictor", "scores"}));
    f("evaluate_selector", evaluate_selector,
      "who is chosen in evaluation and decoding, by the scores or the predictor's; auto = "
      "expert_threshold where decision is scores and the gate reads them, else threshold");
    f("auxiliary_weight", auxiliary_weight, "of each routed block's auxiliary or predictor loss",
      above(0, 100));
    f("predictor_width", predictor_width, "hidden numbers of the predictor; 0 = d_model / 4",
      within(0, 1 << 20));
  }

  void resolve(const std::string& path, const json& given, const Parts& parts);
  /// Numbers of the routed blocks, ascending. Throws UserError.
  std::vector<int64_t> routed(const std::string& path) const;

 private:
  static json own_scorer() {
    return {
        {"type", "learned"}, {"input", "raw"}, {"init_scale", 1.0}, {"learning_rate_scale", 1.0}};
  }
  void take_scorer(const std::string& path, const json& given);
  void settle_decision(const std::string& path, const Parts& parts);
  void check_attention_scorers(const std::string& path, const Parts& parts) const;
};

}  // namespace sublab::mixture_of_depths
