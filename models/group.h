// The ranks that share one batch, and what they say to each other. One process alone is a group of
// one.
//
// Every rank of a group calls the same operations in the same order, with tensors of the same shape
// and dtype. Nothing here has a gradient: an executor that needs one runs the opposite operation in
// its own backward pass (all_to_all is its own, the opposite of all_gather is a sum and a slice).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

namespace sublab {

class Group {
 public:
  virtual ~Group() = default;
  /// In [0, size()).
  virtual int64_t rank() const = 0;
  virtual int64_t size() const = 0;

  /// Replaces `tensor` on every rank by the sum over ranks, in order of rank: the same bits on
  /// each.
  virtual void all_reduce_sum_(at::Tensor& tensor) const = 0;
  /// Replaces `tensor` on every rank by that of rank `root`.
  virtual void broadcast_(at::Tensor& tensor, int64_t root) const = 0;
  /// [n, ...] of each rank -> [size * n, ...], in order of rank.
  virtual at::Tensor all_gather(const at::Tensor& own) const = 0;
  /// [size, n, ...] -> [size, n, ...]: piece i goes to rank i, and piece i of the answer came from
  /// rank i. Ulysses turns tokens of all heads into all tokens of some heads with it.
  virtual at::Tensor all_to_all(const at::Tensor& pieces) const = 0;
  /// Sends `own` to rank `to` and returns what rank `from` sent here, of the same shape. With
  /// neighbours (rank + 1, rank - 1 modulo size) it is one turn of a ring.
  virtual at::Tensor exchange(const at::Tensor& own, int64_t to, int64_t from) const = 0;
  /// Returns when every rank has come here.
  virtual void barrier() const = 0;
  /// The ranks that gave the same `colour`, in the order that they have here: rows of a grid for
  /// data parallelism, its columns for sequence parallelism.
  virtual std::unique_ptr<Group> split(int64_t colour) const = 0;
};

/// One rank: a sum, a gathering and an exchange of its own tensor are that tensor.
class OneProcess final : public Group {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  void all_reduce_sum_(at::Tensor& tensor) const override;
  void broadcast_(at::Tensor& tensor, int64_t root) const override;
  at::Tensor all_gather(const at::Tensor& own) const override;
  at::Tensor all_to_all(const at::Tensor& pieces) const override;
  at::Tensor exchange(const at::Tensor& own, int64_t to, int64_t from) const override;
  void barrier() const override {}
  std::unique_ptr<Group> split(int64_t colour) const override;
};

}  // namespace sublab
