// A group of one: every operation is the identity, and a rank that is not there is a mistake.
#include "models/group.h"

namespace sublab {

void OneProcess::all_reduce_sum_(at::Tensor&) const {}

void OneProcess::broadcast_(at::Tensor&, int64_t root) const {
  TORCH_CHECK(root == 0, "a group of one has no rank ", root);
}

at::Tensor OneProcess::all_gather(const at::Tensor& own) const { return own; }

at::Tensor OneProcess::all_to_all(const at::Tensor& pieces) const {
  TORCH_CHECK(pieces.size(0) == 1, "one piece per rank, got ", pieces.size(0));
  return pieces;
}

at::Tensor OneProcess::exchange(const at::Tensor& own, int64_t to, int64_t from) const {
  TORCH_CHECK(to == 0 && from == 0, "a group of one has no ranks ", to, " and ", from);
  return own;
}

std::unique_ptr<Group> OneProcess::split(int64_t) const { return std::make_unique<OneProcess>(); }

}  // namespace sublab
