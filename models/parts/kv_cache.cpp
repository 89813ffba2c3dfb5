#include "models/parts/kv_cache.h"

#include <algorithm>

namespace sublab {
namespace {

class FullKvCache : public KvCache {
 public:
  FullKvCache(int64_t n_rows, int64_t expected_tokens, int64_t n_kv_heads, int64_t head_dim,
              const at::TensorOptions& options)
      : used_(n_rows, 0) {
    for (int64_t b = 0; b < n_rows; ++b)
      rows_.push_back(
          at::empty({2, std::max<int64_t>(expected_tokens, 1), n_kv_heads, head_dim}, options));
  }

  void append(const at::Tensor& k_NGK, const at::Tensor& v_NGK, const Rows& rows) override {
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), end = used_[b] + n;
      if (n == 0) continue;
      if (end > rows_[b].size(1)) grow(b, end);
      rows_[b][0].slice(0, used_[b], end).copy_(k_NGK.slice(0, rows.begin(b), rows.begin(b) + n));
      rows_[b][1].slice(0, used_[b], end).copy_(v_NGK.slice(0, rows.begin(b), rows.begin(b) + n));
      used_[b] = end;
    }
  }

  std::pair<at::Tensor, at::Tensor> row(int64_t b) const override {
    return {rows_[b][0].slice(0, 0, used_[b]), rows_[b][1].slice(0, 0, used_[b])};
  }

  int64_t n_tokens(int64_t b) const override { return used_[b]; }

  int64_t n_bytes() const override {
    int64_t sum = 0;
    for (size_t b = 0; b < rows_.size(); ++b)
      sum += 2 * used_[b] * rows_[b].size(2) * rows_[b].size(3) * rows_[b].element_size();
    return sum;
  }

 private:
  void grow(int64_t b, int64_t needed) {
    auto sizes = rows_[b].sizes().vec();
    sizes[1] = std::max(needed, 2 * sizes[1]);
    at::Tensor larger = at::empty(sizes, rows_[b].options());
    larger.slice(1, 0, used_[b]).copy_(rows_[b].slice(1, 0, used_[b]));
    rows_[b] = larger;
  }

  std::vector<at::Tensor> rows_;  // each [2, capacity, G, K]
  std::vector<int64_t> used_;
};

}  // namespace

std::unique_ptr<KvCache> full_kv_cache(int64_t n_rows, int64_t expected_tokens, int64_t n_kv_heads,
                                       int64_t head_dim, const at::TensorOptions& options) {
  return std::make_unique<FullKvCache>(n_rows, expected_tokens, n_kv_heads, head_dim, options);
}

}  // namespace sublab
