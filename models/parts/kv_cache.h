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
  /// All rows are empty again; room that was made stays. False where a cache cannot.
  virtual bool clear() { return false; }
};

struct KvCacheShape {
  int64_t n_rows = 0;
  int64_t expected_tokens = 0;  ///< room per row that is made at once
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  bool biased = false;  ///< keys carry a bias (LevelContext::key_bias)
  at::TensorOptions options = {};
};

/// Keeps all keys and values that it is given. Room for all rows doubles where one outgrows it.
class FullKvCache : public KvCache {
 public:
  explicit FullKvCache(const KvCacheShape& shape);
  /// Appends the rows' tokens, both [N, G, K]; K is one more where keys are biased.
  void append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows);
  /// The rows' tokens count as kept and have room; who calls this writes them into `memory`.
  void take_up(const Rows& rows);
  /// Keys and values of row b, both [tokens, G, K]; a view, valid until the next append.
  VisibleTokens row(int64_t b) const;
  /// [2, B, G, capacity, K]: keys, values. Heads are outside of tokens, so that a head's keys (and
  /// its values) are one contiguous run.
  const at::Tensor& memory() const { return memory_; }
  int64_t n_tokens(int64_t b) const override { return used_[b]; }
  int64_t n_bytes() const override;
  std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override;
  bool clear() override {
    used_.assign(used_.size(), 0);
    return true;
  }

 private:
  FullKvCache() = default;
  at::Tensor tokens(int64_t b, int64_t which, int64_t begin, int64_t end) const;
  void append_token(int64_t b, int64_t which, const at::Tensor& x_NGK, int64_t token);
  void make_room(int64_t tokens_per_row);

  at::Tensor memory_;
  std::vector<int64_t> used_;
};

}  // namespace sublab
