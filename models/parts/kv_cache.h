// Keys and values of one layer for every row of a decode state.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

#include "models/rows.h"

namespace sublab {

/// What is kept of the past. Eviction policies (baselines/kv_policies) implement this.
class KvCache {
 public:
  virtual ~KvCache() = default;
  /// Appends the rows' new keys and values, both [N, G, K]; keys are rotated already.
  virtual void append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows) = 0;
  /// Keys and values of row b, both [tokens, G, K]; a view, valid until the next append.
  virtual std::pair<at::Tensor, at::Tensor> row(int64_t b) const = 0;
  virtual int64_t n_tokens(int64_t b) const = 0;
  virtual int64_t n_bytes() const = 0;
};

/// Keeps everything. Room for `expected_tokens` per row at once; doubles when a row outgrows it.
std::unique_ptr<KvCache> full_kv_cache(int64_t n_rows, int64_t expected_tokens, int64_t n_kv_heads,
                                       int64_t head_dim, const at::TensorOptions& options);

}  // namespace sublab
