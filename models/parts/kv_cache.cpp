// The cache that keeps everything.
#include "models/parts/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace sublab {

FullKvCache::FullKvCache(const KvCacheShape& shape)
    : memory_(
          at::empty({2, shape.n_rows, shape.n_kv_heads, std::max<int64_t>(shape.expected_tokens, 1),
                     shape.head_dim + shape.biased},
                    shape.options)),
      used_(shape.n_rows, 0) {}

void FullKvCache::take_up(const Rows& rows) {
  int64_t most = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) most = std::max(most, used_[b] + rows.length(b));
  make_room(most);
  for (int64_t b = 0; b < rows.n_rows(); ++b) used_[b] += rows.length(b);
}

void FullKvCache::append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows) {
  take_up(rows);
  const int64_t each = rows.equal_length();
  const auto as_far = [&](int64_t used) { return used == used_.front(); };
  if (each > 1 && std::all_of(used_.begin(), used_.end(), as_far)) {
    const auto write = [&](int64_t which, const at::Tensor& x) {
      const at::Tensor by_row = x.reshape({rows.n_rows(), each, x.size(1), x.size(2)});
      memory_.select(0, which)
          .slice(2, used_.front() - each, used_.front())
          .copy_(by_row.transpose(1, 2));
    };
    write(0, k_NGK);
    write(1, v_NGK);
    return;
  }
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t n = rows.length(b), begin = rows.begin(b), end = used_[b];
    if (n == 0) continue;
    if (n == 1 && memory_.is_cpu() && memory_.scalar_type() == k_NGK.scalar_type()) {
      append_token(b, 0, k_NGK, begin);
      append_token(b, 1, v_NGK, begin);
    } else {
      tokens(b, 0, end - n, end).copy_(k_NGK.slice(0, begin, begin + n));
      tokens(b, 1, end - n, end).copy_(v_NGK.slice(0, begin, begin + n));
    }
  }
}

VisibleTokens FullKvCache::row(int64_t b) const {
  return {tokens(b, 0, 0, used_[b]), tokens(b, 1, 0, used_[b])};
}

int64_t FullKvCache::n_bytes() const {
  int64_t tokens = 0;
  for (const int64_t used : used_) tokens += used;
  return 2 * tokens * memory_.size(2) * memory_.size(4) * memory_.element_size();
}

std::unique_ptr<KvCache> FullKvCache::fork(const std::vector<int64_t>& rows) const {
  std::unique_ptr<FullKvCache> out(new FullKvCache);
  auto sizes = memory_.sizes().vec();
  sizes[1] = static_cast<int64_t>(rows.size());
  out->memory_ = at::empty(sizes, memory_.options());
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t b = rows[i], n = used_.at(b);
    out->memory_.select(1, static_cast<int64_t>(i))
        .slice(2, 0, n)
        .copy_(memory_.select(1, b).slice(2, 0, n));
    out->used_.push_back(n);
  }
  return out;
}

/// Keys (which = 0) or values (1) of row b's tokens [begin, end), as [tokens, G, K].
at::Tensor FullKvCache::tokens(int64_t b, int64_t which, int64_t begin, int64_t end) const {
  return memory_.as_strided(
      {end - begin, memory_.size(2), memory_.size(4)}, {memory_.stride(3), memory_.stride(2), 1},
      which * memory_.stride(0) + b * memory_.stride(1) + begin * memory_.stride(3));
}

/// The last token of row b. One token is a few hundred bytes, less than what a tensor operation
/// costs.
void FullKvCache::append_token(int64_t b, int64_t which, const at::Tensor& x_NGK, int64_t token) {
  const size_t width = memory_.element_size();
  auto* to =
      static_cast<char*>(memory_.data_ptr()) +
      (which * memory_.stride(0) + b * memory_.stride(1) + (used_[b] - 1) * memory_.stride(3)) *
          width;
  const at::Tensor x = x_NGK.select(0, token).contiguous();
  const auto* from = static_cast<const char*>(x.const_data_ptr());
  const size_t head_bytes = memory_.size(4) * width;
  for (int64_t g = 0; g < memory_.size(2); ++g)
    std::memcpy(to + g * memory_.stride(2) * width, from + g * head_bytes, head_bytes);
}

void FullKvCache::make_room(int64_t tokens_per_row) {
  if (tokens_per_row <= memory_.size(3)) return;
  auto sizes = memory_.sizes().vec();
  sizes[3] = std::max(tokens_per_row, 2 * sizes[3]);
  at::Tensor larger = at::empty(sizes, memory_.options());
  const int64_t most = used_.empty() ? 0 : *std::max_element(used_.begin(), used_.end());
  larger.slice(3, 0, most).copy_(memory_.slice(3, 0, most));
  memory_ = larger;
}

}  // namespace sublab
