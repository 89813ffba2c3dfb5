// Blocks of a band, equal ones in one call.
#include "baselines/kv_policies/banded_attention.h"

#include <algorithm>
#include <limits>
#include <map>

#include "models/transfer.h"

namespace sublab::banded {
namespace {

/// `m` queries from q on, as many keys of their own from k on, and `before` keys before those.
struct Shape {
  int64_t m, before;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};
struct Places {
  std::vector<int64_t> q, k;
};

/// A first block behind fewer than W tokens ends with the token that sees all of them, so that
/// every other block has W keys before it.
std::map<Shape, Places> blocks_of(const std::vector<Row>& rows, int64_t window) {
  std::map<Shape, Places> out;
  for (const Row& row : rows) {
    const int64_t end = row.past + row.n;
    for (int64_t begin = row.past; begin < end;) {
      const int64_t next = begin < window ? window : begin + window;
      const Shape shape{std::min(next, end) - begin, std::min(begin, window)};
      Places& places = out[shape];
      places.q.push_back(row.q_begin + begin - row.past);
      places.k.push_back(row.k_begin + begin - row.first_key);
      begin += shape.m;
    }
  }
  return out;
}

AttentionPartial backwards(const AttentionPartial& part) {
  return {part.out.flip(0), part.log_sum_of_exp.flip(0)};
}

}  // namespace

at::Tensor pieces_as_heads(const at::Tensor& x, const std::vector<int64_t>& starts, int64_t n) {
  const auto count = static_cast<int64_t>(starts.size()), heads = x.size(1), width = x.size(2);
  if (count == 1) return x.slice(0, starts.front(), starts.front() + n);
  bool adjoining = true;
  for (size_t i = 1; i < starts.size(); ++i) adjoining &= starts[i] == starts[i - 1] + n;
  at::Tensor pieces;
  if (adjoining) {
    pieces = x.slice(0, starts.front(), starts.front() + count * n);
  } else {
    const at::Tensor index =
        at::tensor(starts, at::kLong).unsqueeze(1) + at::arange(n, at::kLong).unsqueeze(0);
    pieces = x.index_select(0, sent_to(x.device(), index.flatten()));
  }
  return pieces.reshape({count, n, heads, width})
      .transpose(0, 1)
      .reshape({n, count * heads, width});
}

void PlacedPartials::add(const std::vector<int64_t>& starts, int64_t n,
                         const AttentionPartial& part) {
  const auto count = static_cast<int64_t>(starts.size());
  const auto by_query = [&](const at::Tensor& x) {  // [n, count * H, ...] -> [count * n, H, ...]
    auto sizes = x.sizes().vec();
    sizes[1] /= count;
    sizes.insert(sizes.begin() + 1, count);
    return x.reshape(sizes).transpose(0, 1).flatten(0, 1);
  };
  for (const int64_t start : starts)
    for (int64_t i = 0; i < n; ++i) places_.push_back(start + i);
  outs_.push_back(by_query(part.out));
  sums_.push_back(by_query(part.log_sum_of_exp));
}

AttentionPartial PlacedPartials::all(int64_t n_queries) const {
  const auto n = static_cast<int64_t>(places_.size());
  std::vector<int64_t> from(n_queries, n);  // n: a blank one
  for (int64_t i = 0; i < n; ++i) from[places_[i]] = i;
  std::vector<at::Tensor> outs = outs_, sums = sums_;
  if (n < n_queries) {
    outs.push_back(
        at::zeros({1, outs.front().size(1), outs.front().size(2)}, outs.front().options()));
    sums.push_back(at::full({1, sums.front().size(1)}, -std::numeric_limits<double>::infinity(),
                            sums.front().options()));
  }
  const at::Tensor index = sent_to(outs.front().device(), from);
  return {at::cat(outs).index_select(0, index), at::cat(sums).index_select(0, index)};
}

std::vector<AttentionPartial> attention(const at::Tensor& q_NHK, const at::Tensor& k_MGK,
                                        const at::Tensor& v_MGK, const std::vector<Row>& rows,
                                        int64_t window) {
  PlacedPartials own, before;
  for (const auto& [shape, places] : blocks_of(rows, window)) {
    const int64_t m = shape.m;
    const at::Tensor q = pieces_as_heads(q_NHK, places.q, m);
    const auto keys = [&](const at::Tensor& x, int64_t offset, int64_t n) {
      std::vector<int64_t> starts = places.k;
      for (int64_t& start : starts) start += offset;
      return pieces_as_heads(x, starts, n);
    };
    own.add(places.q, m, attend_block(q, keys(k_MGK, 0, m), keys(v_MGK, 0, m), Visible::causal));
    if (shape.before == 0) continue;
    const bool band = shape.before == window;  // else all of them are near enough
    const int64_t near = band ? window - m : shape.before;
    std::vector<AttentionPartial> parts;
    if (near > 0)
      parts.push_back(
          attend_block(q, keys(k_MGK, -near, near), keys(v_MGK, -near, near), Visible::all));
    if (band)
      parts.push_back(backwards(attend_block(q.flip(0), keys(k_MGK, -window, m).flip(0),
                                             keys(v_MGK, -window, m).flip(0), Visible::causal)));
    before.add(places.q, m, merge(parts));
  }
  std::vector<AttentionPartial> out;
  for (const PlacedPartials* each : {&own, &before})
    if (!each->empty()) out.push_back(each->all(q_NHK.size(0)));
  return out;
}

double computed_pairs(double n, double past, double window) {
  double sum = 0;
  for (double begin = past; begin < past + n;) {
    const double m = std::min(begin < window ? window - begin : window, past + n - begin);
    sum += m * (std::max(m, 1.0) + std::min(begin, window));
    begin += m;
  }
  return sum;
}

}  // namespace sublab::banded
