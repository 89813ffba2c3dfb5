// A scorer says how important each token is; a selector decides from the scores who is kept.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/language_model.h"

namespace sublab {

/// What a scorer may look at: the module's parent level.
struct ScorerInput {
  const at::Tensor& x;       ///< [N, D] residual stream
  const Rows& rows;          ///< of the parent level
  const at::Tensor& tokens;  ///< [N] int64, the input tokens at this level
  const Run& run;
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  /// [N] in the dtype of x. Above the threshold (0 unless calibrated) means "keep" in evaluate
  /// mode.
  virtual at::Tensor scores(const ScorerInput& input) const = 0;
  virtual std::vector<Parameter> parameters() const { return {}; }
  virtual void add_cost(Ledger&, int64_t level, double tokens, double bytes_per_number) const {
    (void)level, (void)tokens, (void)bytes_per_number;
  }
};

struct ScorerContext {
  std::string name;  ///< prefix of its parameters in a checkpoint
  int64_t module;
  int64_t d_model;
  double retention;
  Initial initial;
  json options = json::object();  ///< scorer-specific settings of the model's config
  at::TensorOptions tensor_options;
};

struct ScorerEntry {
  std::string name;
  std::string summary;
  std::string source;
  bool causal = true;        ///< the score of a token depends on its own prefix only
  bool natural_zero = true;  ///< false: the threshold is calibrated on training text
  bool weighs = false;       ///< the score itself is a sensible gate weight
  std::function<std::unique_ptr<Scorer>(const ScorerContext&)> make;
};

/// A module's decision.
struct Selection {
  at::Tensor index;              ///< [M] int64, ascending: kept tokens of the parent level
  at::Tensor weights;            ///< [M] gate weights, differentiable
  std::vector<int64_t> lengths;  ///< kept tokens per row
};

struct SelectorInput {
  const at::Tensor& scores;  ///< [N], threshold already subtracted
  const Rows& rows;
  double retention;
  int64_t module;
  const Run& run;
};

struct SelectorEntry {
  std::string name;
  std::string summary;
  std::string source;
  bool causal = false;  ///< may be used in evaluate mode
  std::function<Selection(const SelectorInput&)> select;
};

/// The interchangeable parts that architectures are built from; a value, handed down.
struct Parts {
  std::vector<ScorerEntry> scorers;
  std::vector<SelectorEntry> selectors;
};

}  // namespace sublab
