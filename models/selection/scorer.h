// A scorer says how important each token is. It sees the residual stream of the level that tokens
// are chosen from, and what it declares to need; no architecture.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "core/kind.h"
#include "models/language_model.h"
#include "models/parts/readout.h"
#include "models/selection/row_memory.h"

namespace sublab {

struct BlockProbe;  // queries and keys of a block

/// The tokens of a level, before some of them are chosen.
struct LevelView {
  const at::Tensor& x;       ///< [N, D] residual stream
  const Rows& rows;          ///< of this level
  const at::Tensor& tokens;  ///< [N] int64, the input tokens at this level
  const at::Tensor& hints;   ///< [N] double, what the task says; undefined without
  int64_t level = 0;         ///< whose tokens these are; those that are kept enter the next one
  const Readout* readout = nullptr;   ///< final norm and head, where a scorer needs them
  const BlockProbe* probe = nullptr;  ///< of the block right before; set where a scorer needs it
};

/// What a scorer may look at.
struct ScorerInput : LevelView {
  const Run& run;
  RowMemory* memory;  ///< what new_memory() returned; null when it returned null
};

/// The pass that a scorer is costed for.
struct ScorerShape {
  int64_t level;                      ///< that tokens are chosen from
  const std::vector<double>& tokens;  ///< new ones of each row at that level
  double reached = 1;                 ///< probability that any token gets there
  double bytes_per_number = 4;

  double n_tokens() const { return std::accumulate(tokens.begin(), tokens.end(), 0.0); }
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  /// [N] in the dtype of x, or wider. Above the threshold (0 unless calibrated) means "keep" in
  /// evaluate mode.
  virtual at::Tensor scores(const ScorerInput& input) const = 0;
  virtual std::vector<Parameter> parameters() const { return {}; }
  /// What is learned of the training text without gradients.
  virtual std::vector<Buffer> buffers() const { return {}; }
  /// Learns `buffers` from training text, before training.
  virtual void prepare(const std::vector<Batch>& batches) { (void)batches; }
  /// Null for a scorer that looks at the token alone.
  virtual std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const {
    (void)n_rows;
    return nullptr;
  }
  /// Adds what a forward pass over `shape` costs.
  virtual void add_cost(const ScorerShape& shape, Ledger& ledger) const {
    (void)shape, (void)ledger;
  }
};

/// Where a scorer stands in its model.
struct ScorerContext {
  std::string name;  ///< prefix of its tensors in a checkpoint
  int64_t site = 0;  ///< number of the place where tokens are chosen
  int64_t d_model = 0;
  int64_t vocab_size = 0;
  int64_t query_width = 0;  ///< query heads times their width, of the block before
  double norm_epsilon = 1e-5;
  double retention = 1;  ///< kept share that it is asked for
  Initial initial = 0;
  at::TensorOptions tensor_options = {};
};

/// What a scorer needs beside the residual stream.
struct ScorerNeeds {
  bool hints = false;      ///< a task that says which tokens matter
  bool attention = false;  ///< a block before it at its level, whose queries and keys it reads
  bool head = false;       ///< the model's final norm and head, costed in the ledger
  bool text = false;       ///< counts of the training text
};

struct ScorerEntry : Entry<Scorer, ScorerContext> {
  bool causal = true;        ///< the score of a token depends on its own prefix only
  bool natural_zero = true;  ///< false: the threshold is calibrated on training text
  bool weighs = false;       ///< the score itself is a sensible gate weight
  ScorerNeeds needs = {};
};

/// A causal scorer with a natural zero that is no weight; the entry's file says what differs.
template <class Made, class Config = NoSettings>
ScorerEntry scorer_entry(std::string name, std::string summary, std::string source) {
  return entry_of<ScorerEntry, Config, Made>(std::move(name), std::move(summary),
                                             std::move(source));
}

}  // namespace sublab
