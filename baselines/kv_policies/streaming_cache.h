// What StreamingLLM keeps: the first S tokens of a row and its last W, unrotated, with their
// positions. The latest ones lie in a ring of W + 1 places, so that a new token finds room before
// the oldest one goes.
#pragma once

#include <vector>

#include "models/parts/kv_cache.h"

namespace sublab::streaming_llm {

class StreamingCache : public KvCache {
 public:
  StreamingCache(const KvCacheShape& shape, int64_t sinks, int64_t window);

  /// The rows' tokens, by ascending ordinal, both [N, G, K]; K is one more where keys are biased.
  void take_up(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows);

  /// What the newest token of each row with tokens in `rows` sees, itself included.
  struct View {
    at::Tensor k_MCGK, v_MCGK;       ///< in any order
    at::Tensor place_MC;             ///< position inside the cache
    at::Tensor newest_M;             ///< of each row, in the flattened M * C
    std::vector<int64_t> n_visible;  ///< the first so many of C
  };
  View view(const Rows& rows) const;

  struct Tokens {
    at::Tensor k, v, position;
  };
  /// Tokens [begin, end) of row b, all of them kept.
  Tokens tokens(int64_t b, int64_t begin, int64_t end) const;
  /// Position of the first token of row b that is gone: [1].
  at::Tensor first_gone(int64_t b) const { return first_gone_.slice(0, b, b + 1); }

  int64_t n_tokens(int64_t b) const override;
  int64_t n_bytes() const override;
  std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override;
  bool clear() override {
    seen_.assign(seen_.size(), 0);
    return true;
  }

 private:
  int64_t room() const { return position_.size(1); }
  int64_t place(int64_t ordinal) const {
    return ordinal < sinks_ ? ordinal : sinks_ + (ordinal - sinks_) % (window_ + 1);
  }
  void make_room(int64_t tokens_per_row);

  int64_t sinks_, window_;
  at::Tensor k_, v_;       // [B, room, G, K]
  at::Tensor position_;    // [B, room] int64
  at::Tensor first_gone_;  // [B] int64
  std::vector<int64_t> seen_;
};

}  // namespace sublab::streaming_llm
