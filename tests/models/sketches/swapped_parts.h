// One dummy of each part of attention that may be swapped: rotary angles that depend on the length
// of the request, a policy that evicts, an executor that spreads rows over imagined ranks; and a
// decoder that takes any of them.
#pragma once

#include "models/parts/decoder.h"
#include "models/parts/partial_attention.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

/// Positions shrink where the request is longer than kTrained: what dynamic methods freeze on.
class StretchedRope : public Rope {
 public:
  static constexpr int64_t kTrained = 16;
  explicit StretchedRope(int64_t head_dim) : plain_(plain_rope(head_dim, 10000)) {}
  RopeAngles angles(const at::Tensor& positions, int64_t declared_length,
                    const at::TensorOptions& like) const override {
    const double stretch = std::max(1.0, static_cast<double>(declared_length) / kTrained);
    RopeAngles out = plain_->angles((positions / stretch).floor().to(at::kLong), 0, like);
    return {out.cos * stretch, out.sin * stretch};
  }

 private:
  std::unique_ptr<Rope> plain_;
};

/// A token sees itself and the kWindow - 1 tokens before it; those further back are evicted.
class WindowPolicy : public KvPolicy {
 public:
  static constexpr int64_t kWindow = 5;
  at::Tensor whole_rows(const AttentionHeads& heads, const LayerContext& context) const override {
    Cache none({.n_rows = context.at.rows->n_rows()}, heads.k_NGK);
    return through(heads, context, none);
  }
  at::Tensor step(const AttentionHeads& heads, const LayerContext& context) const override {
    return through(heads, context, static_cast<Cache&>(*context.cache));
  }
  std::unique_ptr<KvCache> new_cache(const KvCacheShape& shape) const override {
    return std::make_unique<Cache>(shape,
                                   at::empty({0, shape.n_kv_heads, shape.head_dim}, shape.options));
  }
  AttentionCost cost(double t, double past) const override {
    const double seen = std::min<double>(kWindow, past + t);
    return {t * seen, t * seen, seen, seen};
  }

 private:
  struct Cache : KvCache {
    Cache(const KvCacheShape& shape, const at::Tensor& like)
        : k(shape.n_rows, like.slice(0, 0, 0)), v(k) {}
    int64_t n_tokens(int64_t b) const override { return k[b].size(0); }
    int64_t n_bytes() const override { return bytes_of(k) + bytes_of(v); }
    std::unique_ptr<KvCache> fork(const std::vector<int64_t>& rows) const override {
      auto out = std::make_unique<Cache>(*this);
      out->k = copied(k, rows), out->v = copied(v, rows);
      return out;
    }
    std::vector<at::Tensor> k, v;  // at most kWindow tokens per row
  };
  static at::Tensor through(const AttentionHeads& heads, const LayerContext& context,
                            Cache& cache) {
    const Rows& rows = *context.at.rows;
    const at::Tensor q = context.at.angles.rotated(heads.q_NHK),
                     k = context.at.angles.rotated(heads.k_NGK);
    std::vector<at::Tensor> out{q.slice(0, 0, 0)};
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      cache.k[b] = at::cat({cache.k[b], row_of(k, rows, b)});
      cache.v[b] = at::cat({cache.v[b], row_of(heads.v_NGK, rows, b)});
      const int64_t n = rows.length(b), all = cache.k[b].size(0);
      const at::Tensor place = at::arange(all - n, all, at::kLong).unsqueeze(1) -
                               at::arange(all, at::kLong).unsqueeze(0);
      out.push_back(attend_block_naive(row_of(q, rows, b), cache.k[b], cache.v[b],
                                       place.lt(0).logical_or(place.ge(kWindow)))
                        .out);
      const int64_t gone = std::max<int64_t>(all - kWindow, 0);
      cache.k[b] = cache.k[b].slice(0, gone), cache.v[b] = cache.v[b].slice(0, gone);
      if (context.at.run->activity)
        context.at.run->activity->count("tokens_evicted", static_cast<double>(gone),
                                        static_cast<double>(n), {context.layer, context.at.level});
    }
    return at::cat(out);
  }
};

/// Ring attention in one process: a row's tokens lie on `ranks` ranks in zigzag order, each rank's
/// queries meet every rank's keys, and partial results are merged.
class RingExecutor : public AttentionExecutor {
 public:
  explicit RingExecutor(int64_t ranks) : ranks_(ranks) {}
  at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const Rows& rows, const Run&) const override {
    std::vector<at::Tensor> out{q.slice(0, 0, 0)};
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t n = rows.length(b), chunk = (n + 2 * ranks_ - 1) / (2 * ranks_);
      std::vector<at::Tensor> held, parts;  // tokens of each rank
      for (int64_t r = 0; r < ranks_; ++r) {
        const auto of = [&](int64_t c) {
          return at::arange(std::min(c * chunk, n), std::min((c + 1) * chunk, n), at::kLong);
        };
        held.push_back(at::cat({of(r), of(2 * ranks_ - 1 - r)}));
      }
      const auto of_rank = [&](const at::Tensor& x, int64_t r) {
        return row_of(x, rows, b).index_select(0, held[r]);
      };
      for (int64_t r = 0; r < ranks_; ++r) {
        std::vector<AttentionPartial> from;
        for (int64_t step = 0; step < ranks_; ++step) {
          const int64_t j = (r - step + ranks_) % ranks_;
          from.push_back(
              attend_block(of_rank(q, r), of_rank(k, j), of_rank(v, j), held[r], held[j]));
        }
        parts.push_back(merge(from).out.to(q.scalar_type()));
      }
      out.push_back(at::cat(parts).index_select(0, inverse_permutation(at::cat(held))));
    }
    return at::cat(out);
  }
  at::Tensor step(const at::Tensor& q, const std::vector<VisibleTokens>& visible, const Rows& rows,
                  const Run& run) const override {
    return local_attention()->step(q, visible, rows, run);
  }

 private:
  int64_t ranks_;
};

/// A small llama with these parts.
class SwappedDecoder : public LanguageModel {
 public:
  SwappedDecoder(int64_t vocab_size, AttentionParts parts)
      : decoder_(config(), vocab_size, 1, std::move(parts)) {}
  static AttentionParts plain() { return full_attention(plain_rope(8, 10000)); }
  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }
  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    const LevelContext level = decoder_.blocks.level(batch.rows, run, state);
    x = state ? decoder_.blocks.pass_all(x, level, &static_cast<DecoderState*>(state)->caches)
              : decoder_.blocks.pass_all(x, level);
    if (state) state->advance(*batch.rows);
    return decoder_.ends.final_norm(x);
  }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected) const override {
    return std::make_unique<DecoderState>(n_rows, decoder_.blocks.new_caches(n_rows, expected));
  }
  std::vector<Parameter> parameters() const override { return decoder_.parameters(); }
  void add_cost(const CostShape&, Ledger&) const override {}

 private:
  static DecoderConfig config() {
    DecoderConfig out;
    out.d_model = 32, out.n_heads = 4, out.n_kv_heads = 2, out.n_layers = 2;
    out.resolve("test");
    return out;
  }
  Decoder decoder_;
};

}  // namespace sublab
