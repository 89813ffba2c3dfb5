// One pair of parentheses of SUBLLM: who enters the level between them, and how they return.
#pragma once

#include <memory>

#include "models/selection/scorer.h"
#include "models/subllm/config.h"

namespace sublab::subllm {

/// What a level works on between its parentheses.
struct Level : LevelContext {  // its key bias: log weights of this level and those around it
  at::Tensor x;                // [N, D]
  at::Tensor tokens;           // [N]
  at::Tensor hints;            // [N], or undefined
  Selection selection;         // how the level was entered; empty for level 0
  BlockProbe probe;            // of the last block, where a scorer asks for it
};

/// What a module remembers between the steps of a decode state.
struct ModuleMemory {
  std::unique_ptr<RowMemory> scorer, selector;
  std::vector<int64_t> kept;  // per row: tokens let in so far
  ModuleMemory fork(const std::vector<int64_t>& rows) const;
};

class Module {
 public:
  /// `name` stands before its tensors in a checkpoint. At retention 1 everything is kept with
  /// weight 1 and there is no scorer.
  Module(const Config& config, int64_t index, const std::string& name, const TokenEnds& ends,
         const Initial& initial, const Parts& parts);

  ModuleMemory new_memory(int64_t n_rows) const;
  /// Who of `parent` is kept, with which weight. `memory` goes on where the last step ended.
  Selection decide(const Level& parent, const Readout& readout, ModuleMemory& memory,
                   const Run& run) const;
  /// The bypass scale [D] as this run sees it: with its limits on the gradient in training.
  at::Tensor bypass(const Run& run) const;

  double retention() const { return retention_; }
  bool has_scorer() const { return scorer_ != nullptr; }
  bool reads_attention() const { return reads_attention_; }
  const Scorer& scorer() const { return *scorer_; }
  void prepare(const std::vector<Batch>& batches);
  void set_threshold(double value) { threshold_.fill_(value); }
  /// Everything enters with weight 1 and returns whole, as if the parentheses were not there: the
  /// scores of a learned scorer are 0 and its threshold is -1, the lowest that gives weight 1, so
  /// that gradients reach the scorer.
  void make_transparent();
  std::vector<Parameter> parameters() const;
  std::vector<Buffer> buffers() const;

 private:
  Selection decide_in_order(const Level& parent, const Readout& readout, ModuleMemory& memory,
                            const Run& run) const;
  at::Tensor scores_of(const Scorer& scorer, const Level& parent, const Readout& readout,
                       RowMemory* memory, const Run& run) const;
  at::Tensor balanced(const at::Tensor& scores, double retention, const Run& run) const;

  const Config& config_;
  int64_t index_;
  std::string name_;
  double retention_;
  std::unique_ptr<Scorer> scorer_;        // null at retention 1
  std::unique_ptr<Scorer> train_scorer_;  // null unless another one selects in training
  SelectorEntry train_selector_, evaluate_selector_;
  bool reads_attention_ = false;
  at::Tensor bypass_;     // [D]
  at::Tensor threshold_;  // scalar, fp64; calibrated for scorers without a natural zero
};

}  // namespace sublab::subllm
