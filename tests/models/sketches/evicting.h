// Cache policies that evict, token by token in evaluation as in steps: what StreamingLLM and H2O
// need of the interface.
#pragma once

#include <cmath>

#include "models/entries/attention.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

struct EvictingConfig {
  int64_t first = 2;
  int64_t recent = 4;

  template <class F>
  void fields(F& f) {
    f("first", first, "tokens that stay: the row's first ones, or the most looked at",
      within(0, 1 << 20));
    f("recent", recent, "latest tokens that stay", within(1, 1 << 20));
  }
};

/// Keys are kept as they come. With `kHeavy` those stay that had the most attention so far, rotated
/// by their own positions; else the first ones, and positions are places in the cache.
template <bool kHeavy>
class EvictingPolicy : public KvPolicy {
 public:
  explicit EvictingPolicy(const EvictingConfig& config) : config_(config) {}

  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    Cache fresh(context.at.rows->n_rows(), heads.k_NGK);
    return through(heads, context, fresh);
  }
  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    return through(heads, context, static_cast<Cache&>(*context.cache));
  }
  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<Cache>(shape.n_rows,
                                   at::empty({0, shape.n_kv_heads, shape.head_dim}, shape.options));
  }
  AttentionCost cost(double t, double past) const override {
    const double held =
        std::min<double>(static_cast<double>(config_.first + config_.recent), past + t);
    return {.causal_pairs = t * held,
            .square_pairs = t * held,
            .tokens_read = held,
            .tokens_held = held};
  }

 private:
  struct Cache : KvCache {
    Cache(int64_t n_rows, const at::Tensor& like)
        : k(n_rows, like.slice(0, 0, 0)),
          v(k),
          seen(n_rows, at::zeros({0}, like.options())),
          positions(n_rows, at::zeros({0}, at::kLong)) {}
    int64_t n_tokens(int64_t b) const override { return k[b].size(0); }
    int64_t n_bytes() const override { return bytes_of(k) + bytes_of(v) + bytes_of(seen); }
    std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override {
      auto out = std::make_unique<Cache>(*this);
      for (auto member : {&Cache::k, &Cache::v, &Cache::seen, &Cache::positions})
        (*out).*member = copied(this->*member, rows);
      return out;
    }
    std::vector<at::Tensor> k, v;  // per row [tokens, G, K]; keys are not rotated
    std::vector<at::Tensor> seen;  // per row [tokens]: attention had so far
    std::vector<at::Tensor> positions;
  };

  at::Tensor through(const AttentionHeads& heads, const LayerContext& context, Cache& cache) const {
    const Rows& rows = *context.at.rows;
    const at::Tensor positions = rows.positions();
    std::vector<at::Tensor> out{heads.q_NHK.slice(0, 0, 0)};
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      double gone = 0;
      for (int64_t t = rows.begin(b); t < rows.begin(b) + rows.length(b); ++t) {
        const auto token = [&](const at::Tensor& x) { return x.slice(0, t, t + 1); };
        const auto append = [&](at::Tensor& to, const at::Tensor& x) { to = at::cat({to, x}); };
        append(cache.k[b], token(heads.k_NGK));
        append(cache.v[b], token(heads.v_NGK));
        append(cache.positions[b], token(positions));
        append(cache.seen[b], at::zeros({1}, cache.seen[b].options()));
        out.push_back(attend(token(heads.q_NHK), context, cache, b));
        gone += evict(cache, b);
      }
      if (context.at.run->activity)
        context.at.run->activity->count("tokens_evicted", gone, static_cast<double>(rows.length(b)),
                                        {context.layer, context.at.level});
    }
    return at::cat(out);
  }

  /// The newest token over the cache: [1, H, K].
  static at::Tensor attend(const at::Tensor& q_1HK, const LayerContext& context, Cache& cache,
                           int64_t b) {
    const int64_t n = cache.n_tokens(b), groups = q_1HK.size(1) / cache.k[b].size(1);
    const at::Tensor places = kHeavy ? cache.positions[b] : at::arange(n, at::kLong);
    const RopeAngles angles =
        context.at.parts->rope->angles(places, context.at.declared_length, q_1HK.options());
    const at::Tensor newest = at::tensor({n - 1}, at::kLong);
    const at::Tensor q = angles.keep(newest).rotated(q_1HK).transpose(0, 1);  // [H, 1, K]
    const auto by_head = [&](const at::Tensor& x) {
      return x.repeat_interleave(groups, 1).transpose(0, 1);  // [H, n, K]
    };
    const at::Tensor k = by_head(angles.rotated(cache.k[b])), v = by_head(cache.v[b]);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(2)));
    const at::Tensor shares = (at::bmm(q, k.transpose(1, 2)) * scale).softmax(2);  // [H, 1, n]
    cache.seen[b] = cache.seen[b] + shares.detach().sum(at::IntArrayRef{0, 1});
    return at::bmm(shares, v).transpose(0, 1);
  }

  /// Leaves first + recent tokens of row b. How many went.
  double evict(Cache& cache, int64_t b) const {
    const int64_t n = cache.n_tokens(b);
    if (n <= config_.first + config_.recent) return 0;
    int64_t victim = config_.first;  // the oldest that is no first one
    if (kHeavy)
      victim = cache.seen[b].slice(0, 0, n - config_.recent).argmin().template item<int64_t>();
    for (auto member : {&Cache::k, &Cache::v, &Cache::seen, &Cache::positions}) {
      at::Tensor& x = (cache.*member)[b];
      x = at::cat({x.slice(0, 0, victim), x.slice(0, victim + 1)});
    }
    return 1;
  }

  EvictingConfig config_;
};

}  // namespace sublab
