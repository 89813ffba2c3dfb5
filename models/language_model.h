// What every language model here can do. Loss, sampling and training are functions beside it.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/group.h"
#include "models/keeps.h"
#include "models/ledger.h"
#include "models/rows.h"
#include "models/streams.h"

namespace sublab {

/// Three ways to run a model that must agree (docs/architecture.md).
enum class Mode {
  train,     ///< whole rows; selection may look at the whole row, on purpose
  evaluate,  ///< whole rows; every selection is causal
  step       ///< new tokens against a DecodeState; prefill and decode are the same call
};

/// Receives diagnostics while a model runs.
class Observer {
 public:
  virtual ~Observer() = default;
  /// A subsampling module decided. `scores` [N] and `rows` belong to the parent level; `index` [M]
  /// (ascending) are the kept tokens, `weights` [M] their gate.
  virtual void selected(int64_t module, const at::Tensor& scores, const Rows& rows,
                        const at::Tensor& index, const at::Tensor& weights) = 0;
  /// The kept tokens of `module` return through its bypass scale [D].
  virtual void returned(int64_t module, const at::Tensor& bypass_scale) {
    (void)module, (void)bypass_scale;
  }
};

/// How one forward pass is run. Nothing about a run is global.
struct Run {
  Mode mode = Mode::evaluate;
  double progress = 1.0;         ///< share of the training run done, in [0, 1]; drives schedules
  int64_t step = 0;              ///< optimizer steps done; drives schedules counted in steps
  bool recompute = false;        ///< blocks keep their input only and compute again going backward
  const Coins* coins = nullptr;  ///< training coins; null = off
  const KeepRule* forced = nullptr;   ///< decides instead of the selectors; null = they decide
  RecordedKeeps* recorded = nullptr;  ///< filled with the decisions taken
  Observer* observer = nullptr;
  const Group* group = nullptr;  ///< null = one rank
};

/// A trainable tensor and how the optimizer treats it.
struct Parameter {
  std::string name;  ///< the name it has in a checkpoint
  at::Tensor tensor;
  double learning_rate_scale = 1.0;
  bool decay = true;  ///< weight decay applies (matrices, not gains)
};

/// A number that belongs to the weights but is not trained, such as a calibrated threshold.
struct Buffer {
  std::string name;
  at::Tensor tensor;
};

struct Batch {
  at::Tensor tokens;  ///< [N] int64
  RowsPtr rows;
  at::Tensor hints = {};  ///< [N] double, what a task says of each token; undefined without
};

/// What decoding keeps between steps; each architecture derives its own.
class DecodeState {
 public:
  virtual ~DecodeState() = default;
  /// Tokens seen so far per row.
  const std::vector<int64_t>& lengths() const { return lengths_; }
  /// Bytes held for the rows' past (keys, values, running sums).
  virtual int64_t n_bytes() const = 0;
  /// Called by the model at the end of a step.
  void advance(const Rows& rows);

 protected:
  explicit DecodeState(int64_t n_rows) : lengths_(n_rows, 0) {}

 private:
  std::vector<int64_t> lengths_;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  /// tokens [N] -> [N, D].
  virtual at::Tensor embed(const at::Tensor& tokens) const = 0;
  /// x [N, D] -> hidden states [N, D] after the final norm. `state` is set in Mode::step only; its
  /// rows continue where it stands (rows.start(b) = state->lengths()[b]).
  virtual at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                             const Run& run) const = 0;
  /// [V, D]; logits = hidden . head^T.
  virtual const at::Tensor& head_weight() const = 0;
  /// `expected_tokens` per row are allocated beforehand; more is allowed.
  virtual std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const = 0;

  virtual std::vector<Parameter> parameters() const = 0;
  virtual std::vector<Buffer> buffers() const { return {}; }
  /// Adds what a forward pass over `shape` costs, head included.
  virtual void add_cost(const CostShape& shape, Ledger& ledger) const = 0;
  /// Retention of each subsampling module in order of appearance; empty without any.
  virtual std::vector<double> retention() const { return {}; }
  /// Level that each module subsamples into: 1 for an outermost pair.
  virtual std::vector<int64_t> module_levels() const { return {}; }
  /// Called after the weights of another model were loaded that lacks the tensors `missing`: gives
  /// these values that leave its function unchanged. Throws UserError at `where` when it cannot.
  virtual void graft(const std::set<std::string>& missing, const std::string& where);
  /// Learns what must be known of the training text before training (how frequent a token is).
  virtual void prepare(const std::vector<Batch>& batches) { (void)batches; }
  /// Fits what must be fitted on training text after training (thresholds of scorers without a
  /// natural zero). `batches` are evaluated in turn.
  virtual void calibrate(const std::vector<Batch>& batches) { (void)batches; }

  int64_t vocab_size() const { return head_weight().size(0); }
  at::ScalarType dtype() const { return head_weight().scalar_type(); }
};

/// Hidden states of a batch: embed, then forward.
at::Tensor run_model(const LanguageModel& model, const Batch& batch, DecodeState* state,
                     const Run& run);

/// The batch that continues `state` by `lengths[b]` tokens in row b.
Batch continue_rows(const DecodeState& state, at::Tensor tokens,
                    const std::vector<int64_t>& lengths);

}  // namespace sublab
