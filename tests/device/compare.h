// How results of the device are held against the CPU's.
#pragma once

#include <algorithm>
#include <vector>

#include "tests/device/device.h"

namespace sublab {

using Tensors = std::vector<at::Tensor>;

inline at::Tensor wide(const at::Tensor& x) { return x.detach().cpu().to(at::kDouble); }

/// Largest difference, in shares of the largest number.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  const at::Tensor truth = wide(b);
  return (wide(a) - truth).abs().max().item<double>() /
         std::max(1.0, truth.abs().max().item<double>());
}

inline std::vector<at::ScalarType> types_under_test() {
  if (on_a_card()) return {at::kFloat, at::kBFloat16, at::kDouble};
  return {at::kFloat, at::kDouble};
}

/// All of them on a card. Each operator of the second device is the CPU's on copies: the first `n`
/// will do.
template <class T>
std::vector<T> some_of(std::vector<T> all, size_t n) {
  if (!on_a_card() && all.size() > n) all.resize(n);
  return all;
}

}  // namespace sublab
