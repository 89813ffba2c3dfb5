// SUBLLM's settings.
#pragma once

#include <string>

#include "models/entries/parts.h"
#include "models/parts/bypass.h"
#include "models/subllm/structure.h"

namespace sublab::subllm {

struct Config : DecoderConfig, AttentionConfig, RouterConfig, BypassConfig {
  std::string preset = "default";
  std::string structure = "TT(T(TT)T)TT";
  std::string positions = "composed";
  bool attention_log_weight = false;
  std::string schedule = "fractions";

  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
    f("preset", preset,
      "what keys that are not given stand for: default, or published = the paper's training rule",
      one_of({"default", "published"}));
    f("structure", structure, "T = block, ( = leave tokens out, ) = bring them back");
    RouterConfig::fields(f);
    f("positions", positions,
      "of inner levels: composed = the original ones; level_local = places in the parent level",
      one_of({"composed", "level_local"}));
    f("attention_log_weight", attention_log_weight,
      "add log(weight + 0.001) of a kept token to the attention logits of its key");
    f("schedule", schedule,
      "fractions: the ramps are shares of the run; paper_steps: balancer over 8000 and bypass over "
      "20000 optimizer steps",
      one_of({"fractions", "paper_steps"}));
    BypassConfig::fields(f);
  }

  /// Checks against the parts that there are; `given` tells which keys the user wrote. Those that
  /// are not get the preset's values.
  void resolve(const std::string& path, const json& given, const Parts& parts);
};

/// Throws UserError for keys that stand elsewhere since they belong to a part, with the new place.
void refuse_moved_keys(const Config&, const json& model, const std::string& path);

}  // namespace sublab::subllm
