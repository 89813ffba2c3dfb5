// Reading a memory, folding segments into it, and keeping it while rows are decoded
// (baselines/architectures/infini_memory.h).
#include "baselines/architectures/infini_memory.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>

#include "models/transfer.h"
#include "models/wide_type.h"

namespace sublab::infini_transformer {
namespace {

at::Tensor elu_plus_one(const at::Tensor& x) { return at::elu(x.to(wide_type(x))).add_(1); }

/// k or v [R, n, G, K] -> [R * G, n, K].
at::Tensor heads_first(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0) * x.size(2), x.size(1), x.size(3)});
}

at::Tensor index_of(const std::vector<int64_t>& places, const at::Tensor& like) {
  return sent_to(like.device(), places);
}

bool are_all(const std::vector<int64_t>& places, int64_t n) {
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i] != static_cast<int64_t>(i)) return false;
  return static_cast<int64_t>(places.size()) == n;
}

at::Tensor picked(const at::Tensor& x, const std::vector<int64_t>& rows) {
  return are_all(rows, x.size(0)) ? x : x.index_select(0, index_of(rows, x));
}

/// x [R * G, n, K], positive, against the memory -> [R * G, n, K].
at::Tensor read_by(const at::Tensor& x, const Memory& memory, double epsilon) {
  const at::Tensor M = memory.M.flatten(0, 1), z = memory.z.flatten(0, 1);
  return at::bmm(x, M) / at::bmm(x, z).clamp_min(epsilon);
}

}  // namespace

Memory Memory::of_rows(const std::vector<int64_t>& places) const {
  if (!defined() || are_all(places, M.size(0))) return *this;
  const at::Tensor index = index_of(places, M);
  return {M.index_select(0, index), z.index_select(0, index)};
}

at::Tensor MemoryRule::read(const Memory& memory, const at::Tensor& q) const {
  const int64_t rows = q.size(0), n = q.size(1), width = q.size(3);
  const int64_t kv_heads = memory.M.size(1), group = q.size(2) / kv_heads;
  // Query heads of a group are further queries of the same memory.
  const at::Tensor by_kv_head = q.unflatten(2, {kv_heads, group})
                                    .permute({0, 2, 1, 3, 4})
                                    .reshape({rows * kv_heads, n * group, width});
  return read_by(elu_plus_one(by_kv_head), memory, epsilon)
      .view({rows, kv_heads, n, group, width})
      .permute({0, 2, 1, 3, 4})
      .reshape(q.sizes());
}

Memory MemoryRule::folded(const Memory& memory, const at::Tensor& k, const at::Tensor& v) const {
  const int64_t rows = k.size(0), kv_heads = k.size(2), width = k.size(3);
  const at::Tensor keys = elu_plus_one(heads_first(k));
  at::Tensor values = heads_first(v).to(keys.scalar_type());
  if (memory.defined() && delta) values = values - read_by(keys, memory, epsilon);
  const at::Tensor M = at::bmm(keys.transpose(1, 2), values).view({rows, kv_heads, width, width});
  const at::Tensor z = keys.sum(1).view({rows, kv_heads, width, 1});
  if (!memory.defined()) return {M, z};
  return {memory.M + M, memory.z + z};
}

SegmentCache::SegmentCache(const KvCacheShape& shape, int64_t segment_len)
    : segment_len_(segment_len),
      open_(at::empty({shape.n_rows, 3, shape.n_kv_heads,
                       std::clamp<int64_t>(shape.expected_tokens, 1, segment_len), shape.head_dim},
                      shape.options)),
      used_(shape.n_rows, 0),
      folded_(shape.n_rows, 0) {
  const auto options = shape.options.dtype(wide_type(open_));
  memory_.M = at::zeros({shape.n_rows, shape.n_kv_heads, shape.head_dim, shape.head_dim}, options);
  memory_.z = at::zeros({shape.n_rows, shape.n_kv_heads, shape.head_dim, 1}, options);
}

int64_t SegmentCache::n_bytes() const {
  const int64_t tokens = std::accumulate(used_.begin(), used_.end(), int64_t{0});
  return static_cast<int64_t>(memory_.M.nbytes() + memory_.z.nbytes()) +
         3 * tokens * open_.size(2) * open_.size(4) * static_cast<int64_t>(open_.element_size());
}

std::unique_ptr<KvCache> SegmentCache::fork(const std::vector<int64_t>& rows) const {
  std::unique_ptr<SegmentCache> out(new SegmentCache);
  out->segment_len_ = segment_len_;
  const at::Tensor index = index_of(rows, open_);
  out->open_ = open_.index_select(0, index);
  out->memory_ = {memory_.M.index_select(0, index), memory_.z.index_select(0, index)};
  for (const int64_t row : rows) {
    out->used_.push_back(used_.at(row));
    out->folded_.push_back(folded_.at(row));
  }
  return out;
}

bool SegmentCache::clear() {
  memory_.M.zero_();
  memory_.z.zero_();
  used_.assign(used_.size(), 0);
  folded_.assign(folded_.size(), 0);
  return true;
}

Memory SegmentCache::memory(int64_t b) const {
  return {memory_.M.slice(0, b, b + 1), memory_.z.slice(0, b, b + 1)};
}

VisibleTokens SegmentCache::open(int64_t b) const {
  const auto part = [&](int64_t which) {  // [G, tokens, K] -> [tokens, G, K]
    return open_.select(0, b).select(0, which).slice(1, 0, used_[b]).transpose(0, 1);
  };
  return {part(1), part(2)};
}

void SegmentCache::fold(const std::vector<int64_t>& rows, const MemoryRule& rule) {
  const at::NoGradGuard no_grad;
  std::vector<int64_t> first, again;  // the first segment of a row meets no memory
  for (const int64_t b : rows) (remembers(b) ? again : first).push_back(b);
  for (const auto* some : {&first, &again}) {
    if (some->empty()) continue;
    const at::Tensor segment = picked(open_, *some).slice(3, 0, segment_len_);
    const auto tokens = [&](int64_t which) { return segment.select(1, which).transpose(1, 2); };
    const Memory before = some == &again ? memory_.of_rows(*some) : Memory{};
    const Memory after = rule.folded(before, tokens(0), tokens(2));
    const at::Tensor index = index_of(*some, open_);
    memory_.M.index_copy_(0, index, after.M);
    memory_.z.index_copy_(0, index, after.z);
  }
  for (const int64_t b : rows) used_[b] = 0, ++folded_[b];
}

void SegmentCache::append(const at::Tensor& k, const at::Tensor& rotated, const at::Tensor& v,
                          const Rows& rows) {
  const at::NoGradGuard no_grad;
  int64_t most = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) most = std::max(most, used_[b] + rows.length(b));
  make_room(most);
  const at::Tensor all = at::stack({k, rotated, v}, 1);  // [N, 3, G, K]
  const int64_t each = rows.equal_length(), used = used_.empty() ? 0 : used_.front();
  if (each > 0 && std::all_of(used_.begin(), used_.end(), [&](int64_t u) { return u == used; })) {
    open_.slice(3, used, used + each)
        .copy_(all.unflatten(0, {rows.n_rows(), each}).permute({0, 2, 3, 1, 4}));
  } else {
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), begin = rows.begin(b);
      if (n > 0)
        open_.select(0, b)
            .slice(2, used_[b], used_[b] + n)
            .copy_(all.slice(0, begin, begin + n).permute({1, 2, 0, 3}));
    }
  }
  for (int64_t b = 0; b < rows.n_rows(); ++b) used_[b] += rows.length(b);
}

void SegmentCache::make_room(int64_t tokens) {
  const int64_t room = open_.size(3);
  if (tokens <= room) return;
  auto sizes = open_.sizes().vec();
  sizes[3] = std::min(std::max(tokens, 2 * room), segment_len_);
  const at::Tensor larger = at::empty(sizes, open_.options());
  larger.slice(3, 0, room).copy_(open_);
  open_ = larger;
}

}  // namespace sublab::infini_transformer
