// A gate says what a kept token weighs.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "models/selection/row_memory.h"

namespace sublab {

class Gate {
 public:
  virtual ~Gate() = default;
  /// scores [N] -> what each token weighs if it is kept, [N].
  virtual at::Tensor weights(const at::Tensor& scores) const = 0;
  /// weights() of the kept tokens [M], of which row b has the next lengths[b] in order -> what they
  /// weigh beside those of their row that were kept before them.
  virtual at::Tensor among_kept(const at::Tensor& weights, const std::vector<int64_t>& lengths,
                                RowMemory* memory) const {
    (void)lengths, (void)memory;
    return weights;
  }
  /// Null for gates that look at the token alone.
  virtual std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const {
    (void)n_rows;
    return nullptr;
  }
};

/// Nothing is known of the model where a gate is made.
struct GateContext {};

struct GateEntry : Entry<Gate, GateContext> {
  bool reads_scores = true;  ///< gradients reach the scorer, whose score must be a sensible weight
  bool compares = false;     ///< weights depend on who else is kept, so no selector changes them
  bool one_at_one = false;   ///< a score of 1 weighs 1
};

template <class Made, class Config = NoSettings>
GateEntry gate_entry(std::string name, std::string summary, std::string source) {
  return entry_of<GateEntry, Config, Made>(std::move(name), std::move(summary), std::move(source));
}

}  // namespace sublab
