// What every language model here can do. Loss, sampling and training are functions beside it.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/decode_state.h"
#include "models/ledger.h"
#include "models/run.h"

namespace sublab {

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

  /// The same on a device, beside the model. The rows' shape stays on the host.
  Batch to(at::Device device) const;
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
  /// Where the model selects tokens, in order of appearance; empty where it never does. A site's
  /// place in this list is its number in Observer, KeepRule and RecordedKeeps.
  virtual std::vector<SelectionSite> selection_sites() const { return {}; }
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
  at::Device device() const { return head_weight().device(); }
};

/// Hidden states of a batch: embed, then forward.
at::Tensor run_model(const LanguageModel& model, const Batch& batch, DecodeState* state,
                     const Run& run);

/// The declared length that holds for a pass: that of `state`, which a first step settles, or of
/// the run where there is none.
int64_t declared_length(const Run& run, DecodeState* state);

/// The batch that continues `state` by `lengths[b]` tokens in row b.
Batch continue_rows(const DecodeState& state, at::Tensor tokens,
                    const std::vector<int64_t>& lengths);

}  // namespace sublab
