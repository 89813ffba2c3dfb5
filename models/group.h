// The ranks that share one batch. One process alone is a group of one.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace sublab {

class Group {
 public:
  virtual ~Group() = default;
  virtual int64_t rank() const { return 0; }
  virtual int64_t size() const { return 1; }
  /// Replaces `tensor` on every rank by the sum over ranks.
  virtual void all_reduce_sum_(at::Tensor&) const {}
};

}  // namespace sublab
