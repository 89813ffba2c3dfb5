// A gate says what a kept token weighs.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "core/kind.h"

namespace sublab {

class Gate {
 public:
  virtual ~Gate() = default;
  /// scores [N] -> what each token weighs if it is kept, [N].
  virtual at::Tensor weights(const at::Tensor& scores) const = 0;
};

/// Nothing is known of the model where a gate is made.
struct GateContext {};

struct GateEntry : Entry<Gate, GateContext> {
  bool reads_scores = true;  ///< gradients reach the scorer, whose score must be a sensible weight
};

template <class Made, class Config = NoSettings>
GateEntry gate_entry(std::string name, std::string summary, std::string source) {
  return entry_of<GateEntry, Config, Made>(std::move(name), std::move(summary), std::move(source));
}

}  // namespace sublab
