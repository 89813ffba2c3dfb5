// What a comparison of variants holds equal.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// One entry of a study's "match".
struct EqualCost {
  std::string by;
  double tolerance = 0.01;
  std::vector<std::string> variants;

  template <class F>
  void fields(F& f) {
    f("by", by, "what is held equal",
      one_of({"train_tokens", "train_flops", "train_seconds", "peak_memory", "parameters"}));
    f("tolerance", tolerance, "relative", within(0, 10));
    f("variants", variants, "among these; empty = all");
  }
};

}  // namespace sublab
