// A ring behind the sinks.
#include "baselines/kv_policies/streaming_cache.h"

#include <algorithm>

#include "models/transfer.h"

namespace sublab::streaming_llm {

StreamingCache::StreamingCache(const KvCacheShape& shape, int64_t sinks, int64_t window)
    : sinks_(sinks), window_(window), seen_(shape.n_rows, 0) {
  const int64_t room = std::min(std::max<int64_t>(shape.expected_tokens, 1), sinks + window + 1);
  k_ = at::empty({shape.n_rows, room, shape.n_kv_heads, shape.head_dim + shape.biased},
                 shape.options);
  v_ = at::empty_like(k_);
  position_ = at::zeros({shape.n_rows, room}, shape.options.dtype(at::kLong));
  first_gone_ = at::zeros({shape.n_rows}, position_.options());
}

void StreamingCache::make_room(int64_t tokens_per_row) {
  const int64_t most = sinks_ + window_ + 1, old = room();
  if (tokens_per_row <= old || old == most) return;
  const int64_t more = std::min(std::max(tokens_per_row, 2 * old), most);
  for (at::Tensor* x : {&k_, &v_, &position_}) {
    auto sizes = x->sizes().vec();
    sizes[1] = more;
    at::Tensor larger = at::zeros(sizes, x->options());
    larger.slice(1, 0, old).copy_(*x);
    *x = larger;
  }
}

void StreamingCache::take_up(const at::Tensor& k, const at::Tensor& v, const Rows& rows) {
  int64_t longest = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    longest = std::max(longest, seen_[b] + rows.length(b));
  make_room(longest);
  std::vector<int64_t> from, to, gone_row, gone_token;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t past = seen_[b], end = past + rows.length(b);
    const auto add = [&](int64_t begin, int64_t until) {
      for (int64_t t = begin; t < until; ++t) {
        from.push_back(rows.begin(b) + t - past);
        to.push_back(b * room() + place(t));
      }
    };
    const int64_t recent = std::max({past, sinks_, end - window_ - 1});
    add(past, std::min(end, sinks_));
    add(recent, end);
    if (past <= sinks_ && sinks_ < end)
      gone_row.push_back(b), gone_token.push_back(rows.begin(b) + sinks_ - past);
    seen_[b] = end;
  }
  const at::Device device = k_.device();
  const at::Tensor positions = rows.positions(device);
  const at::Tensor source = sent_to(device, from), target = sent_to(device, to);
  k_.flatten(0, 1).index_copy_(0, target, k.index_select(0, source));
  v_.flatten(0, 1).index_copy_(0, target, v.index_select(0, source));
  position_.flatten().index_copy_(0, target, positions.index_select(0, source));
  if (!gone_row.empty())
    first_gone_.index_copy_(0, sent_to(device, gone_row),
                            positions.index_select(0, sent_to(device, gone_token)));
}

StreamingCache::View StreamingCache::view(const Rows& rows) const {
  View out;
  std::vector<int64_t> which, newest, oldest, closes;
  int64_t most = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    if (rows.length(b) == 0) continue;
    const int64_t t = seen_[b] - 1;
    which.push_back(b);
    out.n_visible.push_back(std::min(seen_[b], sinks_ + window_ + 1));
    most = std::max(most, out.n_visible.back());
    newest.push_back(place(t));
    const bool gap = t - window_ > sinks_;
    oldest.push_back(gap ? place(t - window_) : 0);
    closes.push_back(gap);
  }
  for (size_t i = 0; i < newest.size(); ++i) newest[i] += static_cast<int64_t>(i) * most;
  const at::Device device = k_.device();
  const bool all = static_cast<int64_t>(which.size()) == rows.n_rows();
  const at::Tensor index = all ? at::Tensor() : sent_to(device, which);
  const auto of_rows = [&](const at::Tensor& x) {
    return (all ? x : x.index_select(0, index)).slice(1, 0, most);
  };
  out.k_MCGK = of_rows(k_), out.v_MCGK = of_rows(v_);
  out.newest_M = sent_to(device, newest);
  const at::Tensor positions = of_rows(position_);
  const at::Tensor first = all ? first_gone_ : first_gone_.index_select(0, index);
  const at::Tensor gap =
      (positions.gather(1, sent_to(device, oldest).unsqueeze(1)) - first.unsqueeze(1)) *
      sent_to(device, closes).unsqueeze(1);  // [M, 1]
  out.place_MC = positions.clone();
  out.place_MC.slice(1, std::min(sinks_, most)).sub_(gap);
  return out;
}

StreamingCache::Tokens StreamingCache::tokens(int64_t b, int64_t begin, int64_t end) const {
  std::vector<int64_t> places;
  for (int64_t t = begin; t < end; ++t) places.push_back(place(t));
  const at::Tensor index = sent_to(k_.device(), places);
  const auto of_row = [&](const at::Tensor& x) { return x.select(0, b).index_select(0, index); };
  return {of_row(k_), of_row(v_), of_row(position_)};
}

int64_t StreamingCache::n_tokens(int64_t b) const { return std::min(seen_[b], sinks_ + window_); }

int64_t StreamingCache::n_bytes() const {
  int64_t sum = 0;
  const int64_t per_token =
      2 * k_.size(2) * k_.size(3) * static_cast<int64_t>(k_.element_size()) + 8;
  for (size_t b = 0; b < seen_.size(); ++b) sum += n_tokens(static_cast<int64_t>(b)) * per_token;
  return sum;
}

std::unique_ptr<KvCache> StreamingCache::fork(const std::vector<int64_t>& rows) const {
  auto out = std::make_unique<StreamingCache>(*this);
  const at::Tensor index = sent_to(k_.device(), rows);
  for (auto member : {&StreamingCache::k_, &StreamingCache::v_, &StreamingCache::position_,
                      &StreamingCache::first_gone_})
    (*out).*member = (this->*member).index_select(0, index);
  out->seen_.clear();
  for (const int64_t row : rows) out->seen_.push_back(seen_.at(row));
  return out;
}

}  // namespace sublab::streaming_llm
