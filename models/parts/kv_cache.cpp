// The cache that keeps everything. Heads are outermost, so that a head's keys (and its values) are
// one contiguous run of memory.
#include "models/parts/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace sublab {

FullKvCache::FullKvCache(const KvCacheShape& shape) : used_(shape.n_rows, 0) {
  for (int64_t b = 0; b < shape.n_rows; ++b)
    rows_.push_back(at::empty({2, shape.n_kv_heads, std::max<int64_t>(shape.expected_tokens, 1),
                               shape.head_dim + shape.biased},
                              shape.options));
}

void FullKvCache::append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows) {
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t n = rows.length(b), begin = rows.begin(b), end = used_[b] + n;
    if (n == 0) continue;
    if (end > rows_[b].size(2)) grow(b, end);
    if (n == 1 && rows_[b].is_cpu() && rows_[b].scalar_type() == k_NGK.scalar_type()) {
      append_token(b, 0, k_NGK, begin);
      append_token(b, 1, v_NGK, begin);
    } else {
      tokens(b, 0, used_[b], end).copy_(k_NGK.slice(0, begin, begin + n));
      tokens(b, 1, used_[b], end).copy_(v_NGK.slice(0, begin, begin + n));
    }
    used_[b] = end;
  }
}

VisibleTokens FullKvCache::row(int64_t b) const {
  return {tokens(b, 0, 0, used_[b]), tokens(b, 1, 0, used_[b])};
}

int64_t FullKvCache::n_bytes() const {
  int64_t sum = 0;
  for (size_t b = 0; b < rows_.size(); ++b)
    sum += 2 * used_[b] * rows_[b].size(1) * rows_[b].size(3) * rows_[b].element_size();
  return sum;
}

std::unique_ptr<KvCache> FullKvCache::fork(const std::vector<int64_t>& rows) const {
  auto out = std::make_unique<FullKvCache>(KvCacheShape{});
  for (const int64_t b : rows) {
    at::Tensor copy = at::empty_like(rows_.at(b));
    copy.slice(2, 0, used_[b]).copy_(rows_[b].slice(2, 0, used_[b]));
    out->rows_.push_back(copy);
    out->used_.push_back(used_[b]);
  }
  return out;
}

/// Keys (which = 0) or values (1) of row b's tokens [begin, end), as [tokens, G, K].
at::Tensor FullKvCache::tokens(int64_t b, int64_t which, int64_t begin, int64_t end) const {
  const at::Tensor& all = rows_[b];
  return all.as_strided({end - begin, all.size(1), all.size(3)}, {all.stride(2), all.stride(1), 1},
                        which * all.stride(0) + begin * all.stride(2));
}

/// One token is a few hundred bytes, less than what a tensor operation costs.
void FullKvCache::append_token(int64_t b, int64_t which, const at::Tensor& x_NGK, int64_t token) {
  const at::Tensor& all = rows_[b];
  const size_t width = all.element_size();
  auto* to = static_cast<char*>(all.data_ptr()) +
             (which * all.stride(0) + used_[b] * all.stride(2)) * width;
  const at::Tensor x = x_NGK.select(0, token).contiguous();
  const auto* from = static_cast<const char*>(x.const_data_ptr());
  const size_t head_bytes = all.size(3) * width;
  for (int64_t g = 0; g < all.size(1); ++g)
    std::memcpy(to + g * all.stride(1) * width, from + g * head_bytes, head_bytes);
}

void FullKvCache::grow(int64_t b, int64_t needed) {
  auto sizes = rows_[b].sizes().vec();
  sizes[2] = std::max(needed, 2 * sizes[2]);
  at::Tensor larger = at::empty(sizes, rows_[b].options());
  larger.slice(2, 0, used_[b]).copy_(rows_[b].slice(2, 0, used_[b]));
  rows_[b] = larger;
}

}  // namespace sublab
