// A selector decides from the scores of a level who of it is kept.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "models/language_model.h"
#include "models/selection/ranking.h"
#include "models/selection/row_memory.h"

namespace sublab {

/// A decision at one site.
struct Selection {
  at::Tensor index;               ///< [M] int64, ascending: kept tokens of the level
  at::Tensor weights;             ///< [M] gate weights, differentiable
  std::vector<int64_t> lengths;   ///< kept tokens per row
  std::vector<int64_t> starts{};  ///< per row: tokens kept by earlier steps
  /// [N] of all tokens of the level, thresholds subtracted, differentiable: what a router's
  /// auxiliary loss is made of. Undefined where there is no scorer. Not a selector's to fill.
  at::Tensor scores{};
  at::Tensor index_on_host{};  ///< the index once more, where the host made it; undefined elsewhere
};

struct SelectorInput {
  const at::Tensor& scores;   ///< [N], thresholds already subtracted
  const at::Tensor& weights;  ///< [N], what each token would weigh if it were kept
  const Rows& rows;
  double retention;
  int64_t site;
  const Run& run;
  RowMemory* memory;  ///< what new_memory returned; null when there is none
};

class Selector {
 public:
  virtual ~Selector() = default;
  /// `weights` of the result may be left undefined: then they are those of the input.
  virtual Selection select(const SelectorInput& input) const = 0;
  /// Null for selectors that decide from the scores at hand.
  virtual std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const {
    (void)n_rows;
    return nullptr;
  }
  /// Of the selector that evaluates: what another one keeps in a pass that trains, whose `input`
  /// it may follow (a running threshold). What is learned so stands in buffers().
  virtual void learn(const SelectorInput& input) const { (void)input; }
  /// What a share d of the scores lies above in evaluate mode, for a selector that follows it in
  /// training; false where the router keeps it.
  virtual bool take_cut(double cut) const {
    (void)cut;
    return false;
  }
  /// What is learned without gradients, by names of their own.
  virtual std::vector<Buffer> buffers() const { return {}; }
  /// Subtracted from all scores beside what was calibrated, so that gates see it too. In training
  /// the evaluating selector's counts, unless the one that trains has its own. A scalar, fp64, on
  /// the host or beside the scores; undefined = none.
  virtual at::Tensor threshold() const { return {}; }
  /// Tokens of a row of `length` that are expected to be kept.
  virtual int64_t expected(int64_t length, double retention) const {
    return kept_tokens(length, retention);
  }
};

/// Where a selector stands in its model.
struct SelectorContext {
  at::TensorOptions options = {};  ///< of the model's tensors: their device
};

struct SelectorEntry : Entry<Selector, SelectorContext> {
  bool causal = false;           ///< may be used in evaluate mode
  bool uses_threshold = true;    ///< false: adding a number to all scores changes nothing
  bool changes_weights = false;  ///< weights are more than the gate's, so gradients must reach it
};

template <class Made, class Config = NoSettings>
SelectorEntry selector_entry(std::string name, std::string summary, std::string source) {
  return entry_of<SelectorEntry, Config, Made>(std::move(name), std::move(summary),
                                               std::move(source));
}

}  // namespace sublab
