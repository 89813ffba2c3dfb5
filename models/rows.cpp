#include "models/rows.h"

#include <algorithm>

namespace sublab {

Rows::Rows(const std::vector<int64_t>& lengths, std::vector<int64_t> starts, at::Tensor positions)
    : offsets_{0}, starts_(std::move(starts)), positions_(std::move(positions)) {
  if (starts_.empty()) starts_.assign(lengths.size(), 0);
  for (const int64_t length : lengths) offsets_.push_back(offsets_.back() + length);
  const bool equal =
      !lengths.empty() && std::all_of(lengths.begin(), lengths.end(),
                                      [&](int64_t length) { return length == lengths.front(); });
  equal_length_ = equal ? lengths.front() : -1;
  TORCH_CHECK(starts_.size() == lengths.size(), "rows: one start per row");
  if (!positions_.defined()) {
    positions_ = at::empty({n_tokens()}, at::kLong);
    auto* out = positions_.data_ptr<int64_t>();
    for (size_t b = 0; b < lengths.size(); ++b)
      for (int64_t i = 0; i < lengths[b]; ++i) *out++ = starts_[b] + i;
  }
  TORCH_CHECK(positions_.numel() == n_tokens(), "rows: one position per token");
}

RowsPtr Rows::contiguous(const std::vector<int64_t>& lengths, const std::vector<int64_t>& starts) {
  return RowsPtr(new Rows(lengths, starts, {}));
}

RowsPtr Rows::with_positions(const std::vector<int64_t>& lengths,
                             const std::vector<int64_t>& starts, at::Tensor positions) {
  return RowsPtr(new Rows(lengths, starts, std::move(positions)));
}

RowsPtr Rows::keep(const at::Tensor& index, const std::vector<int64_t>& lengths,
                   const std::vector<int64_t>& starts) const {
  return RowsPtr(new Rows(lengths, starts, positions_.index_select(0, index)));
}

RowsPtr Rows::keep_places(const at::Tensor& index, const std::vector<int64_t>& lengths,
                          const std::vector<int64_t>& starts) const {
  at::Tensor places = at::empty_like(index);
  const auto* token = index.const_data_ptr<int64_t>();
  auto* place = places.data_ptr<int64_t>();
  for (int64_t b = 0; b < n_rows(); ++b)
    for (int64_t i = 0; i < lengths[b]; ++i) *place++ = start(b) + *token++ - begin(b);
  return RowsPtr(new Rows(lengths, starts, places));
}

std::vector<int64_t> Rows::lengths() const {
  std::vector<int64_t> out(n_rows());
  for (int64_t b = 0; b < n_rows(); ++b) out[b] = length(b);
  return out;
}

}  // namespace sublab
