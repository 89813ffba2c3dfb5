// Where the tokens of packed rows begin, and the ordinals and positions that they carry.
#include "models/rows.h"

#include <algorithm>
#include <numeric>

#include "models/transfer.h"

namespace sublab {

TokenNumbers::TokenNumbers(at::Tensor values) {
  if (values.defined()) copies_.push_back(std::move(values));
}

bool TokenNumbers::defined() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !copies_.empty();
}

int64_t TokenNumbers::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return copies_.empty() ? 0 : copies_.front().numel();
}

at::Tensor TokenNumbers::on(at::Device device) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const at::Tensor& copy : copies_)
    if (copy.device() == device) return copy;
  copies_.push_back(sent_to(device, copies_.front()));
  return copies_.back();
}

void TokenNumbers::set(at::Tensor values) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (copies_.empty()) copies_.push_back(std::move(values));
}

Rows::Rows(const std::vector<int64_t>& lengths, std::vector<int64_t> starts, at::Tensor positions,
           at::Tensor own_ordinals)
    : offsets_{0},
      starts_(std::move(starts)),
      own_ordinals_(std::move(own_ordinals)),
      ordinals_(own_ordinals_),
      positions_(std::move(positions)) {
  if (starts_.empty()) starts_.assign(lengths.size(), 0);
  for (const int64_t length : lengths) offsets_.push_back(offsets_.back() + length);
  const bool equal =
      !lengths.empty() && std::all_of(lengths.begin(), lengths.end(),
                                      [&](int64_t length) { return length == lengths.front(); });
  equal_length_ = equal ? lengths.front() : -1;
  TORCH_CHECK(starts_.size() == lengths.size(), "rows: one start per row");
  TORCH_CHECK(!positions_.defined() || positions_.count() == n_tokens(),
              "rows: one position per token");
  if (consecutive()) return;
  TORCH_CHECK(own_ordinals_.numel() == n_tokens(), "rows: one ordinal per token");
  for (int64_t b = 0; b < n_rows(); ++b)
    for (int64_t i = 0; i < length(b); ++i) {
      if (i > 0) ascending_ = ascending_ && ordinal(b, i) > ordinal(b, i - 1);
      starts_[b] = i > 0 ? std::min(starts_[b], ordinal(b, i)) : ordinal(b, i);
    }
}

RowsPtr Rows::contiguous(const std::vector<int64_t>& lengths, const std::vector<int64_t>& starts) {
  return RowsPtr(new Rows(lengths, starts, {}));
}

RowsPtr Rows::with_positions(const std::vector<int64_t>& lengths,
                             const std::vector<int64_t>& starts, at::Tensor positions) {
  return RowsPtr(new Rows(lengths, starts, std::move(positions)));
}

RowsPtr Rows::with_ordinals(const std::vector<int64_t>& lengths, at::Tensor ordinals,
                            at::Tensor positions) {
  return RowsPtr(new Rows(lengths, {}, std::move(positions), ordinals.contiguous()));
}

RowsPtr Rows::arranged(const at::Tensor& index, const std::vector<int64_t>& lengths) const {
  return RowsPtr(new Rows(lengths, starts_, positions(index.device()).index_select(0, index),
                          ordinals().index_select(0, index)));
}

RowsPtr Rows::keep(const at::Tensor& index, const std::vector<int64_t>& lengths,
                   const std::vector<int64_t>& starts) const {
  return RowsPtr(new Rows(lengths, starts, positions(index.device()).index_select(0, index),
                          kept_ordinals(index, lengths, starts)));
}

RowsPtr Rows::keep_places(const at::Tensor& index, const std::vector<int64_t>& lengths,
                          const std::vector<int64_t>& starts) const {
  return RowsPtr(new Rows(lengths, starts, ordinals(index.device()).index_select(0, index),
                          kept_ordinals(index, lengths, starts)));
}

at::Tensor Rows::kept_ordinals(const at::Tensor& index, const std::vector<int64_t>& lengths,
                               const std::vector<int64_t>& starts) const {
  if (ascending()) return {};
  const at::Tensor parents = ordinals().index_select(0, index.to(at::kCPU));
  const auto* parent = parents.const_data_ptr<int64_t>();
  at::Tensor out = at::empty_like(parents);
  auto* to = out.data_ptr<int64_t>();
  int64_t begin = 0;
  for (size_t b = 0; b < lengths.size(); ++b) {
    std::vector<int64_t> sorted(parent + begin, parent + begin + lengths[b]);
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = begin; i < begin + lengths[b]; ++i)
      to[i] = (starts.empty() ? 0 : starts[b]) +
              (std::lower_bound(sorted.begin(), sorted.end(), parent[i]) - sorted.begin());
    begin += lengths[b];
  }
  return out;
}

std::vector<int64_t> Rows::lengths() const {
  std::vector<int64_t> out(n_rows());
  for (int64_t b = 0; b < n_rows(); ++b) out[b] = length(b);
  return out;
}

at::Tensor Rows::ordinals(at::Device device) const {
  if (!ordinals_.defined()) {
    at::Tensor made = at::empty({n_tokens()}, at::kLong);
    auto* out = made.data_ptr<int64_t>();
    for (int64_t b = 0; b < n_rows(); ++b)
      for (int64_t i = 0; i < length(b); ++i) *out++ = starts_[b] + i;
    ordinals_.set(made);
  }
  return ordinals_.on(device);
}

at::Tensor Rows::positions(at::Device device) const {
  return positions_.defined() ? positions_.on(device) : ordinals(device);
}

at::Tensor Rows::row_of_tokens(at::Device device) const {
  if (!row_of_tokens_.defined()) {
    at::Tensor made = at::empty({n_tokens()}, at::kLong);
    auto* out = made.data_ptr<int64_t>();
    for (int64_t b = 0; b < n_rows(); ++b) out = std::fill_n(out, length(b), b);
    row_of_tokens_.set(made);
  }
  return row_of_tokens_.on(device);
}

at::Tensor Rows::starts(at::Device device) const {
  if (!row_starts_.defined()) row_starts_.set(at::tensor(starts_, at::kLong));
  return row_starts_.on(device);
}

at::Tensor Rows::offsets(at::Device device) const {
  if (!device_offsets_.defined()) {
    std::vector<int32_t> made = {0};
    for (int64_t b = 0; b < n_rows(); ++b)
      if (length(b) > 0) made.push_back(static_cast<int32_t>(offsets_[b + 1]));
    device_offsets_.set(at::tensor(made, at::kInt));
  }
  return device_offsets_.on(device);
}

at::Tensor Rows::ascending_order() const {
  at::Tensor out = at::arange(n_tokens(), at::kLong);
  auto* places = out.data_ptr<int64_t>();
  if (!ascending())
    for (int64_t b = 0; b < n_rows(); ++b)
      std::sort(places + begin(b), places + begin(b) + length(b), [&](int64_t i, int64_t j) {
        return ordinal(b, i - begin(b)) < ordinal(b, j - begin(b));
      });
  return out;
}

at::Tensor inverse_permutation(const at::Tensor& index) {
  at::Tensor out = at::empty_like(index);
  return out.index_copy_(0, index, at::arange(index.numel(), index.options()));
}

}  // namespace sublab
