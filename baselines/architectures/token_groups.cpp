// Cutting rows into groups on the host, where their shape is known; gathering on the device.
#include "baselines/architectures/token_groups.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/kernels/subsample.h"
#include "models/transfer.h"
#include "models/wide_type.h"

namespace sublab {
namespace token_groups {

/// Indices of a pass while they are made.
struct Maker {
  Maker(const Rows& rows, int64_t k, bool with_memory)
      : rows(rows), k(k), front(with_memory ? rows.n_rows() : 0) {}

  /// The i-th token of row b ends a group.
  void end_group(int64_t b, int64_t i) {
    ends.push_back(rows.begin(b) + i);
    tokens_seen.push_back(rows.start(b) + i + 1);
    ++in_row;
  }
  /// The i-th token of row b, whose group is the last that has ended.
  void take(int64_t b, int64_t before) {
    of_token.push_back(last_of(b));
    seen.push_back(before + in_row);
  }
  void end_row(int64_t b, int64_t before) {
    last.push_back(last_of(b));
    lengths.push_back(in_row);
    starts.push_back(before);
    in_row = 0;
  }
  int64_t last_of(int64_t b) const {
    return in_row > 0 ? front + static_cast<int64_t>(ends.size()) - 1 : b;
  }
  TokenGroups made(at::Device device) const {
    TokenGroups out;
    out.k = k;
    out.ends = sent_to(device, ends);
    out.rows = rows.keep(out.ends, lengths, starts);
    out.of_token = sent_to(device, of_token);
    out.last = sent_to(device, last);
    out.seen = seen;
    out.tokens_seen = tokens_seen;
    return out;
  }

  const Rows& rows;
  int64_t k, front;
  int64_t in_row = 0;  // groups that ended in this row so far
  std::vector<int64_t> ends, of_token, last, lengths, starts, seen, tokens_seen;
};

/// memory.open or zeros, then x.
at::Tensor behind_open(const at::Tensor& x, const at::Tensor& open) {
  return open.size(0) == 0 ? x : at::cat({open, x});
}

}  // namespace token_groups

OpenGroups::OpenGroups(int64_t n_rows, int64_t k, int64_t width, int64_t slices,
                       const at::TensorOptions& options)
    : open(k > 0 ? at::zeros({n_rows, k - 1, width}, options)
                 : at::zeros({n_rows, width}, options.dtype(wide_type(options)))),
      last(at::zeros({n_rows, slices, width}, options)),
      n_groups(n_rows, 0),
      n_open(n_rows, 0) {}

OpenGroups OpenGroups::fork(const std::vector<int64_t>& rows) const {
  OpenGroups out = *this;
  const at::Tensor index = sent_to(open.device(), rows);
  out.open = open.index_select(0, index);
  out.last = last.index_select(0, index);
  out.n_groups.clear();
  out.n_open.clear();
  for (const int64_t row : rows) {
    out.n_groups.push_back(n_groups[row]);
    out.n_open.push_back(n_open[row]);
  }
  return out;
}

int64_t OpenGroups::n_bytes() const { return static_cast<int64_t>(open.nbytes() + last.nbytes()); }

TokenGroups fixed_groups(const Rows& rows, int64_t k, RowFront front, bool with_memory,
                         at::Device device) {
  token_groups::Maker maker(rows, k, with_memory);
  std::vector<int64_t> members, left, place;
  const int64_t n_rows = rows.n_rows(), x_begin = n_rows * (k - 1);
  // The `local`-th token of row b, counted from this pass's first; those before it are open.
  const auto of_whole = [&](int64_t b, int64_t local) {
    if (local >= 0) return x_begin + rows.begin(b) + local;
    if (front == RowFront::first_token && rows.start(b) + local < 0)
      return x_begin + rows.begin(b) - rows.start(b);
    return b * (k - 1) + k - 1 + local;
  };
  for (int64_t b = 0; b < n_rows; ++b) {
    const int64_t before = (rows.start(b) + k - 1) / k, n = rows.length(b);
    for (int64_t i = 0; i < n; ++i) {
      if ((rows.start(b) + i) % k == 0) {
        maker.end_group(b, i);
        for (int64_t local = i - k + 1; local <= i; ++local) members.push_back(of_whole(b, local));
      }
      maker.take(b, before);
      place.push_back((rows.start(b) + i) % k);
    }
    for (int64_t local = n - k + 1; local < n; ++local)
      left.push_back(local >= 0 ? x_begin + rows.begin(b) + local : b * (k - 1) + k - 1 + local);
    maker.end_row(b, before);
  }
  TokenGroups out = maker.made(device);
  out.place = sent_to(device, place);
  out.members = sent_to(device, members);
  out.distinct = front == RowFront::zeros;
  out.left = sent_to(device, left);
  return out;
}

TokenGroups boundary_groups(const Rows& rows, const at::Tensor& tokens,
                            const std::vector<int64_t>& ids, OpenGroups* memory,
                            at::Device device) {
  token_groups::Maker maker(rows, 0, memory != nullptr);
  const auto* token = tokens.const_data_ptr<int64_t>();
  std::vector<int64_t> bucket(rows.n_tokens(), -1), carried, open;
  std::vector<double> size;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t before = memory ? memory->n_groups[b] : 0, begin = rows.begin(b);
    int64_t n_open = memory ? memory->n_open[b] : 0, first = -1;
    for (int64_t i = 0, unassigned = 0; i < rows.length(b); ++i) {
      ++n_open;
      if (rows.start(b) + i == 0 || std::binary_search(ids.begin(), ids.end(), token[begin + i])) {
        const auto group = static_cast<int64_t>(maker.ends.size());
        if (first < 0) first = group;
        while (unassigned <= i) bucket[begin + unassigned++] = group;
        maker.end_group(b, i);
        size.push_back(static_cast<double>(n_open));
        n_open = 0;
      }
      maker.take(b, before);
    }
    carried.push_back(first);
    open.push_back(n_open);
    maker.end_row(b, before);
  }
  const auto n_groups = static_cast<int64_t>(maker.ends.size());
  std::vector<int64_t> all;
  for (int64_t b = 0; memory && b < rows.n_rows(); ++b)
    all.push_back(carried[b] >= 0 ? carried[b] : n_groups + b);
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = rows.begin(b); i < rows.begin(b) + rows.length(b); ++i)
      all.push_back(bucket[i] >= 0 ? bucket[i] : n_groups + b);
  TokenGroups out = maker.made(device);
  out.bucket = sent_to(device, all);
  out.size = sent_to(device, at::tensor(size, at::kDouble).unsqueeze(1));
  if (!memory) return out;
  for (int64_t b = 0; b < rows.n_rows(); ++b) memory->n_groups[b] += out.rows->length(b);
  memory->n_open = open;
  return out;
}

TokenGroups leaking_groups(const Rows& rows, int64_t k, at::Device device) {
  token_groups::Maker maker(rows, k, false);
  std::vector<int64_t> members;
  const int64_t x_begin = rows.n_rows() * (k - 1);
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t n = rows.length(b);
    for (int64_t i = 0; i < n; ++i) {
      if (i % k == 0) {
        maker.end_group(b, std::min(i + k - 1, n - 1));
        for (int64_t local = i; local < i + k; ++local)
          members.push_back(x_begin + rows.begin(b) + std::min(local, n - 1));
      }
      maker.take(b, 0);
    }
    maker.end_row(b, 0);
  }
  TokenGroups out = maker.made(device);
  out.members = sent_to(device, members);
  return out;
}

at::Tensor group_members(const at::Tensor& x, const TokenGroups& groups, OpenGroups* memory) {
  const int64_t d = x.size(1), n_open = groups.last.size(0) * (groups.k - 1);
  const at::Tensor whole = token_groups::behind_open(
      x, memory ? memory->open.view({n_open, d}) : at::zeros({n_open, d}, x.options()));
  if (memory) memory->open = whole.index_select(0, groups.left).view(memory->open.sizes());
  const at::Tensor members =
      groups.distinct ? gather_rows(whole, groups.members) : at::embedding(whole, groups.members);
  return members.view({groups.n(), groups.k, d});
}

at::Tensor group_means(const at::Tensor& x, const TokenGroups& groups, OpenGroups* memory) {
  if (groups.k > 0) return group_members(x, groups, memory).mean(1);
  const int64_t n = groups.n(), n_rows = groups.last.size(0);
  const at::Tensor wide = x.to(wide_type(x));
  const at::Tensor sums =
      at::zeros({n + n_rows, x.size(1)}, wide.options())
          .index_add(0, groups.bucket, memory ? at::cat({memory->open, wide}) : wide);
  if (memory) memory->open = sums.slice(0, n).clone();
  return (sums.slice(0, 0, n) / groups.size.to(wide.scalar_type())).to(x.scalar_type());
}

at::Tensor repeated(const at::Tensor& y, const TokenGroups& groups, OpenGroups* memory) {
  const at::Tensor known = memory ? at::cat({memory->last.flatten(0, 1), y}) : y;
  if (memory) memory->last = known.index_select(0, groups.last).unsqueeze(1);
  return at::embedding(known, groups.of_token);
}

at::Tensor unfolded(const at::Tensor& y, const TokenGroups& groups, OpenGroups* memory) {
  const int64_t k = groups.k, d = y.size(1) / k;
  at::Tensor known = y.view({groups.n(), k, d});
  if (memory) {
    known = at::cat({memory->last, known});
    memory->last = known.index_select(0, groups.last);
  }
  return gather_rows(known.flatten(0, 1), groups.of_token * k + groups.place);
}

LevelTokens::LevelTokens(const CostShape& shape)
    : tokens(shape.new_tokens.begin(), shape.new_tokens.end()),
      past(shape.past_tokens.begin(), shape.past_tokens.end()),
      single(std::all_of(tokens.begin(), tokens.end(), [](double t) { return t <= 1; })) {
  past.resize(tokens.size(), 0);
}

LevelTokens LevelTokens::grouped(int64_t k) const {
  LevelTokens out = *this;
  const auto groups = [k](double t) { return std::ceil(t / static_cast<double>(k)); };
  double most = 0;
  for (size_t b = 0; b < tokens.size(); ++b) {
    out.past[b] = groups(past[b]);
    out.tokens[b] =
        single ? tokens[b] / static_cast<double>(k) : groups(past[b] + tokens[b]) - out.past[b];
    most = std::max(most, out.tokens[b]);
  }
  out.reached = std::min(most, 1.0);  // rows of one length get there together
  return out;
}

double LevelTokens::n() const { return std::accumulate(tokens.begin(), tokens.end(), 0.0); }

PassShape LevelTokens::shape(int64_t level, const CostShape& of) const {
  return {.level = level,
          .new_tokens = tokens,
          .past_tokens = past,
          .reached = reached,
          .bytes_per_number = of.bytes_per_number,
          .plain = of.plain};
}

void LevelTokens::add_cost(const BlockList& blocks, int64_t level, const CostShape& of,
                           Ledger& ledger) const {
  for (int64_t i = 0; i < blocks.size(); ++i) blocks.add_cost(i, shape(level, of), ledger);
}

}  // namespace sublab
