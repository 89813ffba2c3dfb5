// Decoding without asking the host: a step of one new token in each of some rows has shapes that do
// not depend on how far the rows are, if where a token goes and how much it sees stand on the
// device. Such steps can be given to a device as one piece, over and over
// (models/kernels/replay.h).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/kernels/replay.h"
#include "models/parts/kv_policy.h"

namespace sublab {

/// The pieces of one decode state: consecutive blocks of a level by the number of their tokens.
class FixedSteps {
 public:
  /// Blocks [first, first + caches.size()) over x [M, D].
  using Blocks = std::function<at::Tensor(const at::Tensor& x, const LevelContext& level)>;

  FixedSteps();
  ~FixedSteps();
  FixedSteps(FixedSteps&&) noexcept;
  FixedSteps& operator=(FixedSteps&&) noexcept;

  /// Whether this pass through blocks with these `caches` is such a step: on a device, of at most
  /// one new token per row, with attention on this rank by a policy that asks the host nothing.
  static bool serves(const at::Tensor& x, const LevelContext& level,
                     const std::vector<KvCache*>& caches);
  /// `blocks(x, level)`, which `first` names; takes up the rows' tokens in `caches`. The blocks
  /// find LevelContext::fixed set. They, the caches and the level's parts outlive this.
  at::Tensor pass(int64_t first, const Blocks& blocks, const at::Tensor& x,
                  const LevelContext& level, const std::vector<KvCache*>& caches);

 private:
  struct Piece;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Piece>> pieces_;  // by (first, M)
};

}  // namespace sublab
