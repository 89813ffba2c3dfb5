// StreamingLLM (arXiv:2309.17453; mit-han-lab/streaming-llm): the first S tokens of a row, its
// attention sinks, and the last W stay in the cache. Token t is taken up, sees
//
//   sinks   0 .. min(S, t - W) - 1        and        t - W .. t,
//
// and then the cache is cut to S + W tokens, as the released code does after each pass. Positions
// are places inside the cache: with p_j the position of token j, the tokens behind a gap close it,
//
//   p'_j = p_j for sinks,   p'_j = p_j - (p_{t-W} - p_S) for t - W <= j <= t,
//
// so that the oldest recent token takes the place of the first one that is gone. Where positions
// are consecutive these are indices inside the cache, 0 .. S + W. Keys are cached unrotated and
// rotated at use.
//
// Deviations: the released code evicts once per forward pass, this after every token, in whole rows
// too. Where a row's positions are not consecutive (an inner level of SUBLLM, sampled positions)
// distances between recent tokens stay what they are; the paper has no such rows.
//
// Whole rows: angles of rotary positions are linear in the position, so a logit depends on the
// difference of two of them. Among recent tokens p'_t - p'_j = p_t - p_j: ordinary rotation, and a
// band (banded_attention.h). Towards the sinks it is p_t - (p_{t-W} - p_S) - p_j: queries are
// rotated a second time for a part of their own. Both join by their log-sums.
#include <map>

#include "baselines/kv_policies/banded_attention.h"
#include "baselines/kv_policies/streaming_cache.h"
#include "core/error.h"
#include "models/entries/attention.h"
#include "models/parts/key_bias.h"
#include "models/parts/scaled_rope.h"
#include "models/token_pairs.h"
#include "models/transfer.h"

namespace sublab {
namespace streaming_llm {

struct Config {
  int64_t sinks = 4;
  int64_t window = 512;

  template <class F>
  void fields(F& f) {
    f("sinks", sinks, "first tokens of a row that stay; 0 = a plain window", within(0, 1 << 20));
    f("window", window, "latest tokens that stay", within(1, 1 << 24));
  }
};

/// What whole rows and steps of several tokens attend to, unrotated: the tokens of the band, which
/// begin with those cached, and each row's sinks.
struct Seen {
  std::vector<banded::Row> rows;
  at::Tensor k_MGK, v_MGK, position_M;
  at::Tensor sink_k, sink_v, sink_position;  // of all rows
  std::vector<int64_t> sinks_begin, n_sinks;
  at::Tensor closed_N;  ///< p_{t-W} - p_S, 0 where nothing is gone
};

class StreamingLlm : public KvPolicy {
 public:
  explicit StreamingLlm(const Config& config) : sinks_(config.sinks), window_(config.window) {}

  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    return ordered(heads, context, [&](const AttentionHeads& all, const RowsPtr& rows) {
      const bool linear =
          dynamic_cast<const FrequencyRope*>(context.at.parts->rope.get()) != nullptr;
      if (linear) return by_blocks(all, rows, context, nullptr);
      const auto cache = cache_for(all, rows->n_rows());
      return one_by_one(all, rows, context, *cache);
    });
  }

  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    auto& cache = static_cast<Cache&>(*context.cache);
    return ordered(heads, context, [&](const AttentionHeads& all, const RowsPtr& rows) {
      int64_t most = 0;
      for (const int64_t n : rows->lengths()) most = std::max(most, n);
      const bool linear =
          dynamic_cast<const FrequencyRope*>(context.at.parts->rope.get()) != nullptr;
      if (most <= 1 || !linear) return one_by_one(all, rows, context, cache);
      const at::Tensor out = by_blocks(all, rows, context, &cache);
      cache.take_up(all.k_NGK, all.v_NGK, *rows);
      return out;
    });
  }

  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<Cache>(shape, sinks_, window_);
  }

  AttentionCost cost(double t, double past) const override {
    const auto sinks = static_cast<double>(sinks_), window = static_cast<double>(window_),
               most = sinks + window;
    const double whole = std::clamp(most - past, 0.0, t);  // tokens before anything is gone
    const double end = past + t;
    // Queries that see some of the sinks beside their band, in a triangle, and those that see all.
    const double from = std::max(past, window + 1), corner = window + 1 + sinks;
    const double some = std::max(0.0, std::min(end, corner) - from);
    const double all = std::max(0.0, end - std::max(past, corner));
    const double causal = whole * past + pairs_among(whole).causal + (t - whole) * (most + 1);
    const double square = banded::computed_pairs(t, past, window) +
                          some * (from - window - 1 + std::max(some, 1.0)) + all * sinks;
    return {.causal_pairs = causal,
            .square_pairs = std::max(square, causal),
            .tokens_read = std::min(t, 1.0) * (std::min(past, most) + std::max(t, 1.0)),
            .tokens_held = std::min(end, most),
            .positions_held = std::min(end, most)};
  }

 private:
  using Cache = StreamingCache;

  std::unique_ptr<Cache> cache_for(const AttentionHeads& heads, int64_t n_rows) const {
    return std::make_unique<Cache>(KvCacheShape{.n_rows = n_rows,
                                                .n_kv_heads = heads.k_NGK.size(1),
                                                .head_dim = heads.k_NGK.size(2),
                                                .options = heads.k_NGK.options()},
                                   sinks_, window_);
  }

  /// `attend(heads, rows)` of each row's tokens by ascending ordinal, a bias of keys included; its
  /// result in the order that was given. Counts what is evicted.
  template <class Attend>
  at::Tensor ordered(const AttentionHeads& heads, const LayerContext& context,
                     const Attend& attend) const {
    AttentionHeads all = heads;
    if (context.at.key_bias.defined())
      widen_by_bias(all.q_NHK, all.k_NGK, all.v_NGK, context.at.key_bias);
    if (context.probe)  // as if nothing were evicted
      *context.probe = {rotated_front(context.at.angles, all.q_NHK).detach(),
                        rotated_front(context.at.angles, all.k_NGK).detach()};
    const AscendingRows by(context.at.rows);
    count_evicted(*by.rows, context);
    return narrowed(by.as_given(attend(ordered_heads(all, by), by.rows)), heads.v_NGK.size(2));
  }

  void count_evicted(const Rows& rows, const LayerContext& context) const {
    if (!context.at.run->activity) return;
    double gone = 0;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const auto gone_by = [&](int64_t n) { return std::max<int64_t>(n - sinks_ - window_, 0); };
      gone += static_cast<double>(gone_by(rows.start(b) + rows.length(b)) - gone_by(rows.start(b)));
    }
    context.at.run->activity->count("tokens_evicted", gone, static_cast<double>(rows.n_tokens()),
                                    {context.layer, context.at.level});
  }

  /// The naive form, and that of single tokens: each over what the cache holds then, at its place
  /// there.
  at::Tensor one_by_one(const AttentionHeads& heads, const RowsPtr& rows,
                        const LayerContext& context, Cache& cache) const {
    int64_t most = 0;
    for (const int64_t n : rows->lengths()) most = std::max(most, n);
    if (most <= 1) return newest(heads, *rows, context, cache);
    std::vector<at::Tensor> outs, indices;
    for (int64_t i = 0; i < most; ++i) {
      std::vector<int64_t> index, lengths, starts;
      for (int64_t b = 0; b < rows->n_rows(); ++b) {
        lengths.push_back(i < rows->length(b));
        starts.push_back(rows->start(b) + std::min(i, rows->length(b)));
        if (lengths.back()) index.push_back(rows->begin(b) + i);
      }
      indices.push_back(at::tensor(index, at::kLong));
      const RowsPtr one =
          Rows::with_positions(lengths, starts, rows->positions().index_select(0, indices.back()));
      const at::Tensor there = sent_to(heads.q_NHK.device(), indices.back());
      const auto of = [&](const at::Tensor& x) { return x.index_select(0, there); };
      outs.push_back(
          newest({of(heads.q_NHK), of(heads.k_NGK), of(heads.v_NGK)}, *one, context, cache));
    }
    const at::Tensor back = inverse_permutation(at::cat(indices));
    return at::cat(outs).index_select(0, sent_to(heads.q_NHK.device(), back));
  }

  /// At most one new token per row.
  at::Tensor newest(const AttentionHeads& heads, const Rows& rows, const LayerContext& context,
                    Cache& cache) const {
    cache.take_up(heads.k_NGK, heads.v_NGK, rows);
    const StreamingCache::View view = cache.view(rows);
    const int64_t held = view.place_MC.size(1);
    const RopeAngles angles = context.at.parts->rope->angles(
        view.place_MC.flatten(), context.at.declared_length, heads.q_NHK.options());
    const at::Tensor keys =
        rotated_front(angles, view.k_MCGK.flatten(0, 1)).reshape(view.k_MCGK.sizes());
    const at::Tensor q = rotated_front(angles.keep(view.newest_M), heads.q_NHK);
    std::vector<VisibleTokens> visible(rows.n_rows());
    for (int64_t b = 0, i = 0; b < rows.n_rows(); ++b) {
      if (rows.length(b) == 0) continue;
      const int64_t n = std::min(view.n_visible[i], held);
      visible[b] = {keys[i].slice(0, 0, n), view.v_MCGK[i].slice(0, 0, n)};
      ++i;
    }
    return local_attention()->step(q, visible, rows, *context.at.run);
  }

  Seen seen_by(const AttentionHeads& heads, const Rows& rows, const Cache* cache) const;
  at::Tensor by_blocks(const AttentionHeads& heads, const RowsPtr& rows,
                       const LayerContext& context, const Cache* cache) const;
  void add_sinks(std::vector<AttentionPartial>& parts, const AttentionHeads& heads,
                 const Seen& seen, const at::Tensor& positions, const LayerContext& context) const;

  int64_t sinks_, window_;
};

Seen StreamingLlm::seen_by(const AttentionHeads& heads, const Rows& rows,
                           const Cache* cache) const {
  const at::Device device = heads.k_NGK.device();
  const at::Tensor positions = rows.positions(device);
  Seen out;
  std::vector<at::Tensor> k, v, position, sink_k, sink_v, sink_position, closed;
  int64_t k_begin = 0, sinks_begin = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t n = rows.length(b), begin = rows.begin(b);
    const int64_t past = cache ? rows.start(b) : 0, end = past + n;
    if (n == 0) continue;
    const int64_t first = cache ? std::max<int64_t>(past - window_, 0) : past;
    const auto add = [&](std::vector<at::Tensor>& to, const at::Tensor& x, int64_t from,
                         int64_t until) { to.push_back(x.slice(0, begin + from, begin + until)); };
    if (first < past) {
      const auto cached = cache->tokens(b, first, past);
      k.push_back(cached.k), v.push_back(cached.v), position.push_back(cached.position);
    }
    add(k, heads.k_NGK, 0, n), add(v, heads.v_NGK, 0, n), add(position, positions, 0, n);
    out.rows.push_back({begin, past, n, k_begin, first});
    k_begin += end - first;

    const int64_t n_sinks = std::min(sinks_, end), own = std::max<int64_t>(n_sinks - past, 0);
    if (n_sinks > own) {
      const auto cached = cache->tokens(b, 0, n_sinks - own);
      sink_k.push_back(cached.k), sink_v.push_back(cached.v);
      sink_position.push_back(cached.position);
    }
    add(sink_k, heads.k_NGK, 0, own), add(sink_v, heads.v_NGK, 0, own);
    add(sink_position, positions, 0, own);
    out.sinks_begin.push_back(sinks_begin), out.n_sinks.push_back(n_sinks);
    sinks_begin += n_sinks;

    // p_{t-W} - p_S of the queries t >= S + W; where S is gone the cache remembers its position.
    const int64_t from = std::clamp<int64_t>(sinks_ + window_ - past, 0, n);
    closed.push_back(at::zeros({from}, positions.options()));
    if (from == n) continue;
    std::vector<at::Tensor> of_row(position.end() - 1 - (first < past), position.end());
    const at::Tensor band = at::cat(of_row);
    const at::Tensor first_gone =
        past > sinks_ ? cache->first_gone(b)
                      : positions.slice(0, begin + sinks_ - past, begin + sinks_ - past + 1);
    closed.push_back(band.slice(0, past + from - window_ - first, end - window_ - first) -
                     first_gone);
  }
  const auto joined = [](const std::vector<at::Tensor>& x) {
    return x.size() == 1 ? x.front() : at::cat(x);
  };
  out.k_MGK = joined(k), out.v_MGK = joined(v), out.position_M = joined(position);
  out.sink_k = joined(sink_k), out.sink_v = joined(sink_v);
  out.sink_position = joined(sink_position), out.closed_N = joined(closed);
  return out;
}

/// The sinks that a query sees beside its band: query W + 1 + i sees the first i + 1 of them.
void StreamingLlm::add_sinks(std::vector<AttentionPartial>& parts, const AttentionHeads& heads,
                             const Seen& seen, const at::Tensor& positions,
                             const LayerContext& context) const {
  const auto angles = [&](const at::Tensor& of) {
    return context.at.parts->rope->angles(of, context.at.declared_length, heads.q_NHK.options());
  };
  at::Tensor q, k;
  banded::PlacedPartials placed;
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> alike;  // by past and length
  for (size_t i = 0; i < seen.rows.size(); ++i)
    if (sinks_ > 0 && seen.rows[i].past + seen.rows[i].n > window_ + 1)
      alike[{seen.rows[i].past, seen.rows[i].n}].push_back(i);
  for (const auto& [shape, which] : alike) {
    if (!q.defined()) {
      q = rotated_front(angles(positions - seen.closed_N), heads.q_NHK);
      k = rotated_front(angles(seen.sink_position), seen.sink_k);
    }
    const auto [past, n] = shape;
    const int64_t end = past + n, from = std::max(past, window_ + 1), base = from - window_ - 1;
    const int64_t some = std::max<int64_t>(std::min(end, window_ + 1 + sinks_) - from, 0);
    // `m` queries from token t on over keys [begin, end) of the sinks.
    const auto add = [&](int64_t t, int64_t m, int64_t begin, int64_t end, Visible visible) {
      std::vector<int64_t> queries, keys;
      for (const size_t i : which) {
        queries.push_back(seen.rows[i].q_begin + t - past);
        keys.push_back(seen.sinks_begin[i] + begin);
      }
      const auto of_sinks = [&](const at::Tensor& x) {
        return banded::pieces_as_heads(x, keys, end - begin);
      };
      return std::make_pair(queries, attend_block(banded::pieces_as_heads(q, queries, m),
                                                  of_sinks(k), of_sinks(seen.sink_v), visible));
    };
    if (some > 0) {
      auto [queries, part] = add(from, some, base, base + some, Visible::causal);
      if (base > 0) part = merge({add(from, some, 0, base, Visible::all).second, part});
      placed.add(queries, some, part);
    }
    const int64_t rest = std::max(past, window_ + 1 + sinks_);
    if (rest >= end) continue;
    const auto [queries, part] = add(rest, end - rest, 0, sinks_, Visible::all);
    placed.add(queries, end - rest, part);
  }
  if (!placed.empty()) parts.push_back(placed.all(heads.q_NHK.size(0)));
}

/// The fast form: all tokens at once, behind what the cache holds.
at::Tensor StreamingLlm::by_blocks(const AttentionHeads& heads, const RowsPtr& rows,
                                   const LayerContext& context, const Cache* cache) const {
  const at::Tensor positions = rows->positions(heads.q_NHK.device());
  const Seen seen = seen_by(heads, *rows, cache);
  const auto angles = [&](const at::Tensor& of) {
    return context.at.parts->rope->angles(of, context.at.declared_length, heads.q_NHK.options());
  };
  const RopeAngles of_queries = rows == context.at.rows ? context.at.angles : angles(positions);
  const RopeAngles of_keys =
      seen.position_M.size(0) == positions.size(0) ? of_queries : angles(seen.position_M);
  auto parts =
      banded::attention(rotated_front(of_queries, heads.q_NHK), rotated_front(of_keys, seen.k_MGK),
                        seen.v_MGK, seen.rows, window_);
  add_sinks(parts, heads, seen, positions, context);
  return merge(parts).out.to(heads.q_NHK.scalar_type());
}

}  // namespace streaming_llm

KvPolicyEntry streaming_llm_kv_policy_entry() {
  auto entry = entry_of<KvPolicyEntry, streaming_llm::Config, streaming_llm::StreamingLlm>(
      "streaming_llm", "attention sinks and a window; positions are places in the cache",
      "arXiv:2309.17453");
  const json small = {{"sinks", 2}, {"window", 6}};
  entry.examples = {{"", small}, {"window alone", {{"sinks", 0}, {"window", 9}}}};
  return entry;
}

}  // namespace sublab
