// What cache policies are asked in tests: heads of some rows, whole or in steps, and loops over
// tokens that say what is right.
#pragma once

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <numeric>

#include "models/entries/attention.h"

namespace sublab {

KvPolicyEntry streaming_llm_kv_policy_entry();
KvPolicyEntry h2o_kv_policy_entry();
KvPolicyEntry h2o_prompt_kv_policy_entry();

inline constexpr int64_t kHeads = 4, kKvHeads = 2, kWidth = 6;
inline const at::TensorOptions kWide = at::kDouble;

inline std::shared_ptr<const KvPolicy> streaming_policy(int64_t sinks, int64_t window) {
  return streaming_llm_kv_policy_entry().make({{"sinks", sinks}, {"window", window}}, {});
}
inline std::shared_ptr<const KvPolicy> heavy_policy(int64_t heavy, int64_t recent) {
  return h2o_kv_policy_entry().make({{"heavy", heavy}, {"recent", recent}}, {});
}
inline std::shared_ptr<const KvPolicy> prompt_policy(double heavy, double recent) {
  return h2o_prompt_kv_policy_entry().make({{"heavy_ratio", heavy}, {"recent_ratio", recent}}, {});
}

/// Unrotated heads of some rows, with or without a bias of each key.
struct Tokens {
  RowsPtr rows;
  AttentionHeads heads;
  at::Tensor bias;

  Tokens part(const std::vector<int64_t>& begin, const std::vector<int64_t>& take) const {
    std::vector<int64_t> index;
    for (int64_t b = 0; b < rows->n_rows(); ++b)
      for (int64_t i = 0; i < take[b]; ++i) index.push_back(rows->begin(b) + begin[b] + i);
    const at::Tensor which = at::tensor(index, at::kLong);
    const auto of = [&](const at::Tensor& x) { return x.defined() ? x.index_select(0, which) : x; };
    return {Rows::with_positions(take, begin, of(rows->positions())),
            {of(heads.q_NHK), of(heads.k_NGK), of(heads.v_NGK)},
            of(bias)};
  }
};

/// `gaps`: positions of a row are not consecutive, as those of kept tokens.
inline Tokens random_tokens(const std::vector<int64_t>& lengths, bool gaps = false,
                            bool biased = false) {
  int64_t n = 0;
  std::vector<int64_t> positions;
  for (const int64_t length : lengths) {
    int64_t at = 0;
    for (int64_t i = 0; i < length; ++i, at += 1 + (gaps ? (7 * i + length) % 4 : 0))
      positions.push_back(at);
    n += length;
  }
  const auto random = [&](int64_t heads) {
    return at::randn({n, heads, kWidth}, kWide).requires_grad_();
  };
  Tokens out{Rows::with_positions(lengths, {}, at::tensor(positions, at::kLong)),
             {random(kHeads), random(kKvHeads), random(kKvHeads)},
             biased ? at::randn({n}, kWide) : at::Tensor()};
  return out;
}

/// A policy with all that it is asked with.
class Asked {
 public:
  explicit Asked(std::shared_ptr<const KvPolicy> policy, std::shared_ptr<const Rope> rope = nullptr)
      : parts_{rope ? rope : std::shared_ptr<const Rope>(plain_rope(kWidth, 100)),
               local_attention(), std::move(policy)} {}

  at::Tensor operator()(const Tokens& tokens, KvCache* cache = nullptr,
                        Activity* activity = nullptr) const {
    Run run;
    run.mode = cache ? Mode::step : Mode::evaluate;
    run.activity = activity;
    LevelContext level;
    level.rows = tokens.rows;
    level.angles = parts_.rope->angles(tokens.rows->positions(), 0, kWide);
    level.parts = &parts_;
    level.run = &run;
    level.key_bias = tokens.bias;
    const LayerContext context{.at = level, .layer = 3, .cache = cache};
    return cache ? parts_.policy->step(tokens.heads, context)
                 : parts_.policy->whole_rows(tokens.heads, context);
  }
  std::unique_ptr<KvCache> cache(int64_t n_rows, bool biased = false) const {
    return parts_.policy->new_cache({.n_rows = n_rows,
                                     .expected_tokens = 3,
                                     .n_kv_heads = kKvHeads,
                                     .head_dim = kWidth,
                                     .biased = biased,
                                     .options = kWide});
  }
  /// In steps that take what `next(left, turn)` says of each row.
  template <class Next>
  at::Tensor in_steps(const Tokens& tokens, const Next& next,
                      const std::function<void(const KvCache&)>& look = {}) const {
    const Rows& rows = *tokens.rows;
    const auto state = cache(rows.n_rows(), tokens.bias.defined());
    std::vector<int64_t> begin(rows.n_rows(), 0);
    at::Tensor out = at::zeros_like(tokens.heads.q_NHK);
    for (int64_t turn = 0; begin != rows.lengths(); ++turn) {
      std::vector<int64_t> take;
      for (int64_t b = 0; b < rows.n_rows(); ++b)
        take.push_back(std::min(rows.length(b) - begin[b], next(b, turn)));
      if (std::accumulate(take.begin(), take.end(), int64_t{0}) == 0) continue;
      const at::Tensor got = (*this)(tokens.part(begin, take), state.get());
      for (int64_t b = 0, from = 0; b < rows.n_rows(); from += take[b], ++b) {
        const int64_t to = rows.begin(b) + begin[b];
        out.slice(0, to, to + take[b]).copy_(got.slice(0, from, from + take[b]));
        begin[b] += take[b];
      }
      if (look) look(*state);
    }
    return out;
  }
  const AttentionParts& parts() const { return parts_; }

 private:
  AttentionParts parts_;
};

/// One query [H, K] over keys [n, H, K] and what they are biased by: out [H, K], shares [H, n].
inline std::pair<at::Tensor, at::Tensor> looked(const at::Tensor& q, const at::Tensor& k,
                                                const at::Tensor& v, const at::Tensor& bias) {
  at::Tensor logits = at::einsum("hk,nhk->hn", {q, k}) / std::sqrt(double(kWidth));
  if (bias.defined()) logits = logits + bias;
  const at::Tensor shares = logits.softmax(-1);
  return {at::einsum("hn,nhk->hk", {shares, v}), shares};
}

inline at::Tensor turned(const Rope& rope, const at::Tensor& x_nHK,
                         const std::vector<int64_t>& places) {
  return rope.angles(at::tensor(places, at::kLong), 0, kWide).rotated(x_nHK);
}

inline double difference(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

inline void check_gradients(const Tokens& tokens, const at::Tensor& truth, const at::Tensor& got) {
  const at::Tensor weight = at::randn_like(truth);
  const auto gradients = [&](const at::Tensor& out) {
    return torch::autograd::grad({(out * weight).sum()},
                                 {tokens.heads.q_NHK, tokens.heads.k_NGK, tokens.heads.v_NGK});
  };
  const auto expected = gradients(truth), own = gradients(got);
  for (size_t i = 0; i < 3; ++i) CHECK(difference(expected[i], own[i]) < 1e-11);
}

/// Steps of one token, of pieces of any length, of nearly all at once.
inline void check_steps(const Asked& asked, const Tokens& tokens, const at::Tensor& whole) {
  at::NoGradGuard no_grad;
  for (const int64_t plan : {0, 1, 2}) {
    INFO("plan " << plan);
    const auto next = [plan](int64_t b, int64_t turn) -> int64_t {
      if (plan == 0) return 1;
      if (plan == 1) return (5 * turn + 3 * b) % 7;
      return turn == 0 ? 15 : 4;
    };
    CHECK(difference(asked.in_steps(tokens, next), whole) < 1e-12);
  }
}

inline const std::vector<int64_t> kLengths = {17, 1, 0, 23, 9};

}  // namespace sublab
