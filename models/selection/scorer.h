// A scorer says how important each token is; a selector decides from the scores who is kept.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "models/language_model.h"
#include "models/parts/kv_policy.h"
#include "models/parts/readout.h"

namespace sublab {

/// What a scorer or selector remembers of the rows' earlier tokens, so that a step goes on where
/// the last one ended. Made empty for every pass over whole rows.
class RowMemory {
 public:
  virtual ~RowMemory() = default;
  virtual int64_t n_bytes() const { return 0; }
  /// A memory of its own whose row i remembers what row `rows[i]` of this one does.
  virtual std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& rows) const = 0;
};

/// What a scorer may look at: the module's parent level.
struct ScorerInput {
  const at::Tensor& x;       ///< [N, D] residual stream
  const Rows& rows;          ///< of the parent level
  const at::Tensor& tokens;  ///< [N] int64, the input tokens at this level
  const at::Tensor& hints;   ///< [N] double, what the task says; undefined without
  const Run& run;
  const Readout& readout;   ///< final norm and head, for scorers that look through them
  const BlockProbe* probe;  ///< the block before at this level; null unless needed and there
  RowMemory* memory;        ///< what new_memory() returned; null when it returned null
};

/// The pass that a scorer is costed for.
struct ScorerShape {
  int64_t level;                      ///< the module's parent level
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

struct ScorerContext {
  std::string name;  ///< prefix of its parameters in a checkpoint
  int64_t module;
  int64_t d_model;
  int64_t vocab_size;
  double retention;
  Initial initial;
  json options = json::object();  ///< scorer-specific settings of the model's config
  at::TensorOptions tensor_options;
};

/// What a scorer needs beside the residual stream.
struct ScorerNeeds {
  bool hints = false;      ///< a task that says which tokens matter
  bool attention = false;  ///< a block before it at its level, whose queries and keys it reads
  bool head = false;       ///< the model's final norm and head, costed in the ledger
  bool text = false;       ///< counts of the training text
};

struct ScorerEntry {
  std::string name;
  std::string summary;
  std::string source;
  bool causal = true;        ///< the score of a token depends on its own prefix only
  bool natural_zero = true;  ///< false: the threshold is calibrated on training text
  bool weighs = false;       ///< the score itself is a sensible gate weight
  std::function<std::unique_ptr<Scorer>(const ScorerContext&)> make;
  ScorerNeeds needs = {};
};

/// A module's decision.
struct Selection {
  at::Tensor index;              ///< [M] int64, ascending: kept tokens of the parent level
  at::Tensor weights;            ///< [M] gate weights, differentiable
  std::vector<int64_t> lengths;  ///< kept tokens per row
};

/// How K = T d becomes a whole number.
enum class Rounding { ceil, floor, round };

struct SelectorInput {
  const at::Tensor& scores;  ///< [N], threshold already subtracted
  const Rows& rows;
  double retention;
  Rounding rounding;
  int64_t module;
  const Run& run;
  RowMemory* memory;  ///< what new_memory returned; null when there is none
};

struct SelectorEntry {
  std::string name;
  std::string summary;
  std::string source;
  bool causal = false;  ///< may be used in evaluate mode
  std::function<Selection(const SelectorInput&)> select;
  /// Null for selectors that decide from the scores at hand.
  std::function<std::unique_ptr<RowMemory>(int64_t n_rows)> new_memory = {};
  bool uses_threshold = true;  ///< false: adding a number to all scores changes nothing
};

/// The interchangeable parts that architectures are built from; a value, handed down.
struct Parts {
  std::vector<ScorerEntry> scorers;
  std::vector<SelectorEntry> selectors;
};

}  // namespace sublab
