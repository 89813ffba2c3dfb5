// What decoding keeps of the past of one layer's attention.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "models/kernels/decode_attention.h"
#include "models/rows.h"

namespace sublab {

/// Made by a policy (models/parts/kv_policy.h), which alone knows what is in it.
class KvCache {
 public:
  virtual ~KvCache() = default;
  /// Tokens of row b that are kept.
  virtual int64_t n_tokens(int64_t b) const = 0;
  virtual int64_t n_bytes() const = 0;
  /// A cache of its own whose row i holds what row `rows[i]` of this one does.
  virtual std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const = 0;
};

struct KvCacheShape {
  int64_t n_rows = 0;
  int64_t expected_tokens = 0;  ///< room per row that is made at once
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  bool biased = false;  ///< keys carry a bias (LevelContext::key_bias)
  at::TensorOptions options = {};
};

/// Keeps all keys and values that it is given. Doubles where a row outgrows its room.
class FullKvCache : public KvCache {
 public:
  explicit FullKvCache(const KvCacheShape& shape);
  /// Appends the rows' tokens, both [N, G, K]; K is one more where keys are biased.
  void append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows);
  /// Keys and values of row b, both [tokens, G, K]; a view, valid until the next append.
  VisibleTokens row(int64_t b) const;
  int64_t n_tokens(int64_t b) const override { return used_[b]; }
  int64_t n_bytes() const override;
  std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override;

 private:
  at::Tensor tokens(int64_t b, int64_t which, int64_t begin, int64_t end) const;
  void append_token(int64_t b, int64_t which, const at::Tensor& x_NGK, int64_t token);
  void grow(int64_t b, int64_t needed);

  std::vector<at::Tensor> rows_;  // each [2, G, capacity, K]
  std::vector<int64_t> used_;
};

}  // namespace sublab
