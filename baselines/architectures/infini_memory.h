// The compressive memory of Infini-attention: what a layer keeps of the segments before the open
// one, how it is read and how a segment is folded in. Per row and key head, with s(x) = elu(x) + 1
// and unrotated queries and keys,
//
//   read:    (s(q) M) / max(s(q) z, epsilon)
//   linear:  M += s(K)^T V
//   delta:   M += s(K)^T (V - (s(K) M) / max(s(K) z, epsilon))
//   both:    z += sum_t s(K_t)
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "models/parts/kv_cache.h"

namespace sublab::infini_transformer {

/// Memories of R rows, fp32 at least. Undefined: nothing is folded in yet, and nothing is read.
struct Memory {
  at::Tensor M;  // [R, G, K, K]
  at::Tensor z;  // [R, G, K, 1]

  bool defined() const { return M.defined(); }
  /// Those of rows `places`, of which there may be all.
  Memory of_rows(const std::vector<int64_t>& places) const;
};

struct MemoryRule {
  bool delta = false;
  double epsilon = 1e-6;

  /// q [R, n, H, K] -> what a defined memory gives, [R, n, H, K], fp32 at least.
  at::Tensor read(const Memory& memory, const at::Tensor& q_RnHK) const;
  /// The memory after a segment of k and v [R, n, G, K].
  Memory folded(const Memory& memory, const at::Tensor& k_RnGK, const at::Tensor& v_RnGK) const;
};

/// What decoding keeps of a layer: the memory, and keys, rotated keys and values of the open
/// segment's tokens.
class SegmentCache : public KvCache {
 public:
  SegmentCache(const KvCacheShape& shape, int64_t segment_len);

  /// Tokens of row b in its open segment, which is full for as long as no further token comes.
  int64_t n_tokens(int64_t b) const override { return used_[b]; }
  int64_t n_bytes() const override;
  std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override;
  bool clear() override;

  /// Whether anything of row b is folded in.
  bool remembers(int64_t b) const { return folded_[b] > 0; }
  /// Of row b, or of all rows; a view.
  Memory memory(int64_t b) const;
  const Memory& memory() const { return memory_; }
  /// Keys (rotated) and values of row b's open segment, both [tokens, G, K]; a view.
  VisibleTokens open(int64_t b) const;
  /// Folds in the full open segments of `rows`, which begin new ones.
  void fold(const std::vector<int64_t>& rows, const MemoryRule& rule);
  /// Takes up `rows`' new tokens, which their open segments have room for.
  void append(const at::Tensor& k_NGK, const at::Tensor& rotated_NGK, const at::Tensor& v_NGK,
              const Rows& rows);

 private:
  SegmentCache() = default;
  void make_room(int64_t tokens);

  int64_t segment_len_ = 0;
  at::Tensor open_;                     // [B, 3, G, capacity, K]: keys, rotated keys, values
  Memory memory_;                       // of all rows; zeros where nothing is folded in
  std::vector<int64_t> used_, folded_;  // tokens in the open segment; segments in the memory
};

}  // namespace sublab::infini_transformer
