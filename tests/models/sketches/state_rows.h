// Per-row state of sketched architectures.
#pragma once

#include "models/language_model.h"

namespace sublab {

/// Row `rows[i]` of each tensor list, copied.
inline std::vector<at::Tensor> copied(const std::vector<at::Tensor>& of,
                                      const std::vector<int64_t>& rows) {
  std::vector<at::Tensor> out;
  for (const int64_t row : rows) out.push_back(of[row].clone());
  return out;
}

inline int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  int64_t sum = 0;
  for (const at::Tensor& tensor : tensors) sum += static_cast<int64_t>(tensor.nbytes());
  return sum;
}

/// Tokens [begin, end) of each row of a packed tensor.
inline at::Tensor row_of(const at::Tensor& x, const Rows& rows, int64_t b) {
  return x.slice(0, rows.begin(b), rows.begin(b) + rows.length(b));
}

}  // namespace sublab
