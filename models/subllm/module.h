// One pair of parentheses of SUBLLM: who enters the level between them, and how they return.
#pragma once

#include "models/selection/router.h"
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

class Module {
 public:
  /// `name` stands before its tensors in a checkpoint.
  Module(const Config& config, int64_t index, const std::string& name, const TokenEnds& ends,
         const Initial& initial, const Parts& parts);

  /// The bypass scale [D] as this run sees it: with its limits on the gradient in training.
  at::Tensor bypass(const Run& run) const;
  /// Everything enters with weight 1 and returns whole, as if the parentheses were not there.
  void make_transparent(const std::string& where);
  std::vector<Parameter> parameters() const;

  Router router;

 private:
  const Config& config_;
  int64_t index_;
  std::string name_;
  at::Tensor bypass_;  // [D]
};

}  // namespace sublab::subllm
