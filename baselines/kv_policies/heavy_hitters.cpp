// Attention over what heavy hitters leave, by blocks of queries.
#include "baselines/kv_policies/heavy_hitters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "models/parts/key_bias.h"
#include "models/token_pairs.h"
#include "models/transfer.h"
#include "models/wide_type.h"

namespace sublab::heavy_hitters {
namespace {

/// Tokens of some rows that are alike: as many new ones behind as many cached ones.
struct Block {
  at::Tensor q;      // [B, G, R * n, K]
  at::Tensor k, v;   // [B, G, m + n, K], cached ones first
  at::Tensor score;  // [B, G, m]
  int64_t n;
};

/// The rows' attention [B, G, R * n, K]; k, v and score become what stays.
at::Tensor attend_and_evict(Block& block, const Budget& budget) {
  const at::Tensor &q = block.q, &k = block.k;
  const int64_t rows = q.size(0), groups = q.size(1), n = block.n, queries = q.size(2),
                columns = k.size(2), heads = rows * groups;
  const auto wide = wide_type(q);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const auto by_head = [&](const at::Tensor& x) { return x.flatten(0, 1).to(wide); };
  const at::Tensor logits =
      (at::bmm(by_head(q), by_head(k).transpose(1, 2)) * scale).view({heads, -1, n, columns});
  const Eviction turn = evict_in_turn(logits.detach(), block.score.flatten(0, 1), budget);
  const at::Tensor shares = logits
                                .masked_fill(turn.visible.logical_not().unsqueeze(1),
                                             -std::numeric_limits<double>::infinity())
                                .softmax(-1)
                                .view({heads, queries, columns});
  const at::Tensor out = at::bmm(shares, by_head(block.v));
  const auto held = turn.kept.size(1);
  if (held < columns) {
    const at::Tensor kept = turn.kept.view({rows, groups, held});
    const at::Tensor index = kept.unsqueeze(3).expand({rows, groups, held, k.size(3)});
    block.k = block.k.gather(2, index);
    block.v = block.v.gather(2, index);
    block.score = turn.score.view({rows, groups, columns}).gather(2, kept);
  } else {
    block.score = turn.score.view({rows, groups, columns});
  }
  return out.view({rows, groups, queries, k.size(3)});
}

/// Which rows are alike, and where their tokens of this block lie.
struct Alike {
  std::vector<int64_t> rows, begins;
};
using Key = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // cached, new, heavy, recent

/// New tokens [begin, begin + n) of x [N, H, K] of each row -> [B, n, H, K].
at::Tensor rows_of(const at::Tensor& x, const std::vector<int64_t>& begins, int64_t n) {
  std::vector<at::Tensor> out;
  for (const int64_t begin : begins) out.push_back(x.slice(0, begin, begin + n));
  return out.size() == 1 ? out.front().unsqueeze(0) : at::stack(out);
}

/// -> [B, n, H, K].
at::Tensor attend_alike(const AttentionHeads& turned, const Alike& alike, int64_t n,
                        HeavyCache& cache) {
  const auto B = static_cast<int64_t>(alike.rows.size()), H = turned.q_NHK.size(1),
             G = turned.k_NGK.size(1), K = turned.q_NHK.size(2);
  const auto cached = [&](at::Tensor RowCache::*member) {
    std::vector<at::Tensor> out;
    for (const int64_t row : alike.rows) out.push_back(cache.rows[row].*member);
    return out.size() == 1 ? out.front().unsqueeze(0) : at::stack(out);
  };
  const auto with_new = [&](at::Tensor RowCache::*member, const at::Tensor& x) {
    return at::cat({cached(member), rows_of(x, alike.begins, n).transpose(1, 2)}, 2);
  };
  Block block{.q = rows_of(turned.q_NHK, alike.begins, n)
                       .reshape({B, n, G, H / G, K})
                       .permute({0, 2, 3, 1, 4})
                       .reshape({B, G, H / G * n, K}),
              .k = with_new(&RowCache::k, turned.k_NGK),
              .v = with_new(&RowCache::v, turned.v_NGK),
              .score = cached(&RowCache::score),
              .n = n};
  const at::Tensor out = attend_and_evict(block, cache.rows[alike.rows.front()].budget);
  for (int64_t i = 0; i < B; ++i) {
    RowCache& row = cache.rows[alike.rows[i]];
    row.k = block.k[i], row.v = block.v[i], row.score = block.score[i];
    row.seen += n;
  }
  return out.view({B, G, H / G, n, K}).permute({0, 3, 1, 2, 4}).reshape({B, n, H, K});
}

}  // namespace

HeavyCache::HeavyCache(const KvCacheShape& shape, const Budget& budget) {
  const int64_t width = shape.head_dim + shape.biased;
  blank_ = {at::empty({shape.n_kv_heads, 0, width}, shape.options),
            at::empty({shape.n_kv_heads, 0, width}, shape.options),
            at::empty({shape.n_kv_heads, 0}, shape.options.dtype(wide_type(shape.options))), 0,
            budget};
  rows.assign(shape.n_rows, blank_);
}

int64_t HeavyCache::n_bytes() const {
  int64_t sum = 0;
  for (const RowCache& row : rows)
    sum += static_cast<int64_t>(row.k.nbytes() + row.v.nbytes() + row.score.nbytes());
  return sum;
}

std::unique_ptr<KvCache> HeavyCache::fork(const std::vector<int64_t>& of) const {
  auto out = std::make_unique<HeavyCache>(*this);  // nothing is ever written in place
  out->rows.clear();
  for (const int64_t row : of) out->rows.push_back(rows.at(row));
  return out;
}

bool HeavyCache::clear() {
  rows.assign(rows.size(), blank_);
  return true;
}

at::Tensor attend(const AttentionHeads& turned, const Rows& rows, HeavyCache& cache) {
  std::vector<at::Tensor> outs{turned.q_NHK.slice(0, 0, 0)};
  std::vector<int64_t> places, done(rows.n_rows(), 0);
  while (true) {
    std::map<Key, Alike> blocks;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = std::min(kBlock, rows.length(b) - done[b]);
      if (n == 0) continue;
      const RowCache& row = cache.rows[b];
      Alike& alike = blocks[{row.k.size(1), n, row.budget.heavy, row.budget.recent}];
      alike.rows.push_back(b);
      alike.begins.push_back(rows.begin(b) + done[b]);
      done[b] += n;
    }
    if (blocks.empty()) break;
    for (const auto& [key, alike] : blocks) {
      const int64_t n = std::get<1>(key);
      outs.push_back(
          attend_alike(turned, alike, n, cache).flatten(0, 1).to(turned.q_NHK.scalar_type()));
      for (const int64_t begin : alike.begins)
        for (int64_t i = 0; i < n; ++i) places.push_back(begin + i);
    }
  }
  const at::Tensor back = inverse_permutation(at::tensor(places, at::kLong));
  return at::cat(outs).index_select(0, sent_to(turned.q_NHK.device(), back));
}

OrderedHeads::OrderedHeads(const AttentionHeads& heads, const LayerContext& context)
    : rows_(context.at.rows), width_(heads.v_NGK.size(2)) {
  const RopeAngles& angles = context.at.angles;
  turned_ = {angles.rotated(heads.q_NHK), angles.rotated(heads.k_NGK), heads.v_NGK};
  if (context.at.key_bias.defined())
    widen_by_bias(turned_.q_NHK, turned_.k_NGK, turned_.v_NGK, context.at.key_bias);
  if (context.probe)  // as if nothing were evicted
    *context.probe = {turned_.q_NHK.detach(), turned_.k_NGK.detach()};
  turned_ = ordered_heads(turned_, rows_);
}

at::Tensor OrderedHeads::back(const at::Tensor& out) const {
  return narrowed(rows_.as_given(out), width_);
}

void count_evicted(double gone, const LayerContext& context) {
  if (context.at.run->activity)
    context.at.run->activity->count("tokens_evicted", gone,
                                    static_cast<double>(context.at.rows->n_tokens()),
                                    {context.layer, context.at.level});
}

double computed_pairs(double n, double past, const Budget& budget) {
  const auto most = static_cast<double>(budget.most());
  double sum = 0;
  for (double done = 0; done < n;) {
    const double m = std::min(static_cast<double>(kBlock), n - done);
    sum += m * (std::max(m, 1.0) + std::min(past + done, most));
    done += m;
  }
  return std::max(sum, seen_pairs(n, past, budget));  // parts of a token may round the other way
}

double seen_pairs(double n, double past, const Budget& budget) {
  const auto most = static_cast<double>(budget.most());
  const double whole = std::clamp(most - past, 0.0, n);  // before anything is gone
  return whole * past + pairs_among(whole).causal + (n - whole) * (most + 1);
}

}  // namespace sublab::heavy_hitters
