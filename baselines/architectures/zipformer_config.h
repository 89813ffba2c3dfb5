// Zipformer's settings.
#pragma once

#include <string>
#include <vector>

#include "models/entries/parts.h"
#include "models/parts/bypass.h"

namespace sublab::zipformer {

struct Config : DecoderConfig, AttentionConfig, BypassConfig {
  std::string stacks = "2@1 2@2 3@4 4@8 3@4 2@2";
  std::vector<int64_t> stack_heads;
  std::string schedule = "fractions";

  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
    f("stacks", stacks, "layers@rate of each, in turn");
    f("stack_heads", stack_heads,
      "query heads of each stack; its widths are this share of n_heads of d_model, n_kv_heads and "
      "d_ff; [] = n_heads everywhere",
      within(1, 4096));
    f("schedule", schedule,
      "fractions: the ramp of the bypass is a share of the run; paper_steps: 20000 optimizer steps",
      one_of({"fractions", "paper_steps"}));
    BypassConfig::fields(f);
  }
  void resolve(const std::string& path, const json& given, const Parts& parts);
  void check_heads(const std::string& path, size_t n_stacks) const;
  int64_t heads_of(size_t stack) const {
    return stack_heads.empty() ? n_heads : stack_heads[stack];
  }
  /// The sizes of a stack's blocks.
  DecoderConfig of_stack(size_t stack) const;
};

}  // namespace sublab::zipformer
