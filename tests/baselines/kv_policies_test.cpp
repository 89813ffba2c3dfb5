// Cache policies against plain loops over tokens, and what holds for every policy that evicts.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "baselines/kv_policies/heavy_hitters.h"
#include "tests/models/sketches/swapped_parts.h"

namespace sublab {
KvPolicyEntry streaming_llm_kv_policy_entry();
KvPolicyEntry h2o_kv_policy_entry();
KvPolicyEntry h2o_prompt_kv_policy_entry();
}  // namespace sublab

using namespace sublab;
using heavy_hitters::Budget;

namespace {

constexpr int64_t kHeads = 4, kKvHeads = 2, kWidth = 6;
const at::TensorOptions kWide = at::kDouble;

std::shared_ptr<const KvPolicy> streaming(int64_t sinks, int64_t window) {
  return streaming_llm_kv_policy_entry().make({{"sinks", sinks}, {"window", window}}, {});
}
std::shared_ptr<const KvPolicy> h2o(int64_t heavy, int64_t recent) {
  return h2o_kv_policy_entry().make({{"heavy", heavy}, {"recent", recent}}, {});
}
std::shared_ptr<const KvPolicy> h2o_prompt(double heavy, double recent) {
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
Tokens random_tokens(const std::vector<int64_t>& lengths, bool gaps = false, bool biased = false) {
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
std::pair<at::Tensor, at::Tensor> looked(const at::Tensor& q, const at::Tensor& k,
                                         const at::Tensor& v, const at::Tensor& bias) {
  at::Tensor logits = at::einsum("hk,nhk->hn", {q, k}) / std::sqrt(double(kWidth));
  if (bias.defined()) logits = logits + bias;
  const at::Tensor shares = logits.softmax(-1);
  return {at::einsum("hn,nhk->hk", {shares, v}), shares};
}

at::Tensor turned(const Rope& rope, const at::Tensor& x_nHK, const std::vector<int64_t>& places) {
  return rope.angles(at::tensor(places, at::kLong), 0, kWide).rotated(x_nHK);
}

/// StreamingLLM as it is told: a list of tokens, and what place each has in it.
at::Tensor streaming_truth(const Tokens& tokens, const Rope& rope, int64_t sinks, int64_t window) {
  const Rows& rows = *tokens.rows;
  const at::Tensor position = rows.positions();
  const auto per_head = [](const at::Tensor& x) {
    return x.repeat_interleave(kHeads / kKvHeads, 1);
  };
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    std::vector<int64_t> kept;
    const auto p = [&](int64_t i) { return position[rows.begin(b) + i].item<int64_t>(); };
    for (int64_t t = 0; t < rows.length(b); ++t) {
      kept.push_back(t);
      const auto held = static_cast<int64_t>(kept.size());
      const int64_t closed = held > sinks ? p(kept[sinks]) - p(sinks) : 0;
      std::vector<int64_t> places, index;
      for (int64_t i = 0; i < held; ++i) {
        places.push_back(p(kept[i]) - (i < sinks ? 0 : closed));
        index.push_back(rows.begin(b) + kept[i]);
        if (p(rows.length(b) - 1) == rows.length(b) - 1) CHECK(places.back() == i);
      }
      const at::Tensor which = at::tensor(index, at::kLong);
      const at::Tensor q = tokens.heads.q_NHK.slice(0, index.back(), index.back() + 1);
      out.push_back(
          looked(turned(rope, q, {places.back()}).squeeze(0),
                 per_head(turned(rope, tokens.heads.k_NGK.index_select(0, which), places)),
                 per_head(tokens.heads.v_NGK.index_select(0, which)),
                 tokens.bias.defined() ? tokens.bias.index_select(0, which) : at::Tensor())
              .first);
      if (held > sinks + window) kept.erase(kept.begin() + sinks);
    }
  }
  return at::stack(out);
}

/// H2O as it is told; before token `from` of a row nothing goes, then what `budget(row)` does not
/// hold.
at::Tensor h2o_truth(const Tokens& tokens, const Rope& rope, int64_t from,
                     const std::function<Budget(int64_t length)>& budget) {
  const Rows& rows = *tokens.rows;
  const at::Tensor all_q = rope.angles(rows.positions(), 0, kWide).rotated(tokens.heads.q_NHK),
                   all_k = rope.angles(rows.positions(), 0, kWide).rotated(tokens.heads.k_NGK);
  const int64_t group = kHeads / kKvHeads;
  at::Tensor out = at::zeros_like(all_q);
  std::vector<at::Tensor> parts;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    std::vector<at::Tensor> heads;
    const Budget most = budget(std::min(from, rows.length(b)));
    for (int64_t g = 0; g < kKvHeads; ++g) {
      std::vector<int64_t> kept;
      std::map<int64_t, double> score;
      std::vector<at::Tensor> outs;
      for (int64_t t = 0; t < rows.length(b); ++t) {
        kept.push_back(t);
        std::vector<int64_t> index;
        for (const int64_t j : kept) index.push_back(rows.begin(b) + j);
        const at::Tensor which = at::tensor(index, at::kLong);
        const auto keys = [&](const at::Tensor& x) {
          return x.index_select(0, which).slice(1, g, g + 1).expand({-1, group, -1});
        };
        const auto [o, shares] =
            looked(all_q[rows.begin(b) + t].slice(0, g * group, (g + 1) * group), keys(all_k),
                   keys(tokens.heads.v_NGK),
                   tokens.bias.defined() ? tokens.bias.index_select(0, which) : at::Tensor());
        outs.push_back(o);
        const at::Tensor had = shares.sum(0);
        for (size_t i = 0; i < kept.size(); ++i)
          score[kept[i]] += had[static_cast<int64_t>(i)].item<double>();
        while (t + 1 >= from && static_cast<int64_t>(kept.size()) > most.most()) {
          size_t least = 0;
          for (size_t i = 0; i + most.recent < kept.size(); ++i)
            if (score[kept[i]] <= score[kept[least]]) least = i;
          score.erase(kept[least]);
          kept.erase(kept.begin() + static_cast<int64_t>(least));
        }
      }
      if (!outs.empty()) heads.push_back(at::stack(outs));
    }
    if (!heads.empty()) parts.push_back(at::cat(heads, 1));
  }
  return at::cat(parts);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

void check_gradients(const Tokens& tokens, const at::Tensor& truth, const at::Tensor& got) {
  const at::Tensor weight = at::randn_like(truth);
  const auto gradients = [&](const at::Tensor& out) {
    return torch::autograd::grad({(out * weight).sum()},
                                 {tokens.heads.q_NHK, tokens.heads.k_NGK, tokens.heads.v_NGK});
  };
  const auto expected = gradients(truth), own = gradients(got);
  for (size_t i = 0; i < 3; ++i) CHECK(difference(expected[i], own[i]) < 1e-11);
}

/// Steps of one token, of pieces of any length, of nearly all at once.
void check_steps(const Asked& asked, const Tokens& tokens, const at::Tensor& whole) {
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

const std::vector<int64_t> kLengths = {17, 1, 0, 23, 9};

}  // namespace

TEST_CASE("streaming_llm gives what a list of tokens and their places gives", "[numerics]") {
  at::manual_seed(3);
  for (const auto& [sinks, window] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 1}, {1, 1}, {2, 3}, {4, 5}, {0, 7}, {6, 2}, {3, 64}})
    for (const auto& [gaps, biased] :
         std::vector<std::pair<bool, bool>>{{false, false}, {true, false}, {true, true}}) {
      INFO(sinks << " sinks, window " << window << (gaps ? ", gaps" : "")
                 << (biased ? ", biased" : ""));
      const Tokens tokens = random_tokens(kLengths, gaps, biased);
      const Asked asked(streaming(sinks, window));
      const at::Tensor truth = streaming_truth(tokens, *asked.parts().rope, sinks, window);
      const at::Tensor whole = asked(tokens);
      CHECK(difference(whole, truth) < 1e-12);
      check_gradients(tokens, truth, whole);
      check_steps(asked, tokens, truth);
    }
  const Tokens equal = random_tokens({30, 30, 30});
  const Asked asked(streaming(2, 4));
  CHECK(difference(asked(equal), streaming_truth(equal, *asked.parts().rope, 2, 4)) < 1e-12);
}

TEST_CASE("streaming_llm takes any rope, token by token where angles are not linear",
          "[numerics]") {
  class Crooked : public Rope {
   public:
    RopeAngles angles(const at::Tensor& positions, int64_t,
                      const at::TensorOptions& like) const override {
      return plain_rope(kWidth, 100)->angles(positions * positions, 0, like);
    }
  };
  at::manual_seed(4);
  const auto rope = std::make_shared<Crooked>();
  const Asked asked(streaming(2, 4), rope);
  const Tokens tokens = random_tokens(kLengths);
  const at::Tensor truth = streaming_truth(tokens, *rope, 2, 4);
  CHECK(difference(asked(tokens), truth) < 1e-12);
  check_steps(asked, tokens, truth);
}

TEST_CASE("h2o gives what a loop over tokens gives, for each key head", "[numerics]") {
  at::manual_seed(5);
  for (const auto& [heavy, recent] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {1, 1}, {3, 4}, {5, 1}, {0, 6}, {40, 30}})
    for (const bool biased : {false, true}) {
      INFO(heavy << " heavy, " << recent << " recent" << (biased ? ", biased" : ""));
      const Tokens tokens = random_tokens(kLengths, true, biased);
      const Asked asked(h2o(heavy, recent));
      const Budget budget{heavy, recent};
      const at::Tensor truth =
          h2o_truth(tokens, *asked.parts().rope, 0, [&](int64_t) { return budget; });
      const at::Tensor whole = asked(tokens);
      CHECK(difference(whole, truth) < 1e-12);
      check_gradients(tokens, truth, whole);
      check_steps(asked, tokens, truth);
    }
  // Rows of several blocks; and equal ones, which go together.
  for (const std::vector<int64_t>& lengths :
       {std::vector<int64_t>{2 * heavy_hitters::kBlock + 5, 3}, {80, 80}}) {
    const Tokens tokens = random_tokens(lengths);
    const Asked asked(h2o(6, 5));
    const at::Tensor truth = h2o_truth(tokens, *asked.parts().rope, 0, [](int64_t) {
      return Budget{6, 5};
    });
    const at::Tensor whole = asked(tokens);
    CHECK(difference(whole, truth) < 1e-12);
    check_gradients(tokens, truth, whole);
    check_steps(asked, tokens, truth);
  }
}

TEST_CASE("h2o_prompt reads the prompt whole and evicts behind it", "[numerics]") {
  at::manual_seed(6);
  const Tokens tokens = random_tokens({30, 22, 9});
  const Asked asked(h2o_prompt(0.2, 0.1)), full(full_kv_policy());
  CHECK(difference(asked(tokens), full(tokens)) == 0);
  const int64_t prompt = 21;
  const auto budget = [](int64_t n) {
    return Budget{static_cast<int64_t>(std::floor(0.2 * double(n))),
                  std::max<int64_t>(1, static_cast<int64_t>(std::floor(0.1 * double(n))))};
  };
  at::NoGradGuard no_grad;
  const at::Tensor truth = h2o_truth(tokens, *asked.parts().rope, prompt, budget);
  const auto next = [&](int64_t, int64_t turn) { return turn == 0 ? prompt : 2; };
  const at::Tensor got = asked.in_steps(tokens, next, [&](const KvCache& cache) {
    for (int64_t b = 0; b < 3; ++b)
      CHECK(cache.n_tokens(b) == budget(std::min(prompt, tokens.rows->length(b))).most());
  });
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t begin = tokens.rows->begin(b), end = begin + tokens.rows->length(b);
    CHECK(difference(got.slice(0, begin, end), truth.slice(0, begin, end)) < 1e-12);
  }
  const KvPolicyEntry entry = h2o_prompt_kv_policy_entry();
  CHECK(entry.exact_cut(json(), 0));
  CHECK_FALSE(entry.exact_cut(json(), 5));
  CHECK_FALSE(h2o_kv_policy_entry().exact_cut);
  CHECK_FALSE(streaming_llm_kv_policy_entry().exact_cut);
}

TEST_CASE("a budget of the row's tokens is attention to all, a smaller one is kept at every step",
          "[contract]") {
  at::manual_seed(7);
  at::NoGradGuard no_grad;
  const Tokens tokens = random_tokens(kLengths, true, true);
  const at::Tensor dense = Asked(full_kv_policy())(tokens);
  for (const auto& policy :
       {streaming(3, 20), streaming(0, 23), h2o(22, 1), h2o(0, 23), h2o_prompt(0.5, 0.5)})
    CHECK(difference(Asked(policy)(tokens), dense) < 1e-12);
  for (const auto& [policy, most] : {std::pair(streaming(2, 5), 7), std::pair(h2o(3, 4), 7),
                                     std::pair(streaming(0, 1), 1), std::pair(h2o(0, 1), 1)}) {
    int64_t turn = 0;
    Asked(policy).in_steps(
        tokens, [](int64_t b, int64_t turn) { return (turn + b) % 3; },
        [&, most = most](const KvCache& cache) {
          for (int64_t b = 0; b < 5; ++b) CHECK(cache.n_tokens(b) <= most);
          ++turn;
        });
    CHECK(turn > 10);
    Activity activity;
    Asked asked(policy);
    asked(tokens, nullptr, &activity);
    double gone = 0;
    for (const int64_t length : kLengths) gone += std::max<double>(double(length - most), 0);
    const ActivityCount count = activity.counts().at({"tokens_evicted", {3, 0}});
    CHECK(count.n == gone);
    CHECK(count.of == 50);
  }
}

TEST_CASE("the ledger knows what a policy holds and sees", "[contract]") {
  at::NoGradGuard no_grad;
  const auto bytes = [](const AttentionCost& cost) {
    return cost.tokens_held * 2 * kKvHeads * kWidth * 8 + cost.scores_held * kKvHeads * 8 +
           cost.positions_held * 8;
  };
  for (const auto& policy :
       {streaming(2, 5), streaming(0, 3), h2o(3, 4), h2o(0, 1), h2o_prompt(0.3, 0.2)})
    for (const int64_t n : {1, 3, 7, 8, 20}) {
      INFO(n << " tokens");
      const Asked asked(policy);
      const Tokens tokens = random_tokens({n});
      const auto cache = asked.cache(1);
      asked(tokens, cache.get());
      CHECK(static_cast<double>(cache->n_bytes()) == bytes(policy->cost(double(n), 0)));
    }
  // What is seen, counted one by one.
  for (const double past : {0.0, 2.0, 6.0, 7.0, 30.0}) {
    double seen = 0;
    for (double t = past; t < past + 9; ++t) seen += std::min(t, 7.0) + 1;
    for (const auto& policy : {streaming(2, 5), h2o(3, 4)}) {
      const AttentionCost cost = policy->cost(9, past);
      CHECK(cost.causal_pairs == Approx(seen));
      CHECK(cost.square_pairs >= cost.causal_pairs);
      double one_by_one = 0;
      for (double t = past; t < past + 9; ++t) {
        CHECK(policy->cost(1, t).square_pairs == Approx(policy->cost(1, t).causal_pairs));
        one_by_one += policy->cost(1, t).causal_pairs;
      }
      CHECK(one_by_one == Approx(seen));
    }
  }
}

TEST_CASE("who stays: ascending, the recent ones among them, nobody returns, ties keep the earlier",
          "[contract]") {
  at::manual_seed(8);
  const Budget budget{3, 4};
  const int64_t heads = 3, n = 30;
  const at::Tensor logits = 3 * at::randn({heads, 2, n, n}, kWide);
  const at::Tensor none = at::zeros({heads, 0}, kWide);
  const auto fast = heavy_hitters::evict_in_turn(logits, none, budget),
             naive = heavy_hitters::evict_in_turn_naive(logits, none, budget);
  CHECK(fast.visible.equal(naive.visible));
  CHECK(fast.kept.equal(naive.kept));
  CHECK(difference(fast.score, naive.score) < 1e-12);
  for (int64_t x = 0; x < heads; ++x) {
    for (int64_t i = 0; i < n; ++i) {
      const at::Tensor row = fast.visible[x][i];
      CHECK(row.sum().item<int64_t>() == std::min<int64_t>(i + 1, budget.most() + 1));
      CHECK(row.slice(0, i + 1).sum().item<int64_t>() == 0);
      CHECK(row.slice(0, std::max<int64_t>(i - budget.recent, 0), i + 1).all().item<bool>());
      if (i > 0)  // whoever was gone stays away
        CHECK_FALSE(row.logical_and(fast.visible[x][i - 1].logical_not())
                        .slice(0, 0, i)
                        .any()
                        .item<bool>());
    }
    const at::Tensor kept = fast.kept[x];
    CHECK(kept.size(0) == budget.most());
    CHECK(kept.diff().gt(0).all().item<bool>());
    CHECK(kept.slice(0, budget.heavy).equal(at::arange(n - budget.recent, n, at::kLong)));
  }
  // Two old tokens that had exactly the same: the later one goes, in turn and at once.
  const at::Tensor score = at::tensor({{2.0, 1.0, 5.0, 1.0, 0.0, 0.0}}, kWide);
  const Budget three{3, 2};
  const at::Tensor stays = at::tensor({0, 1, 2, 4, 5}, at::kLong).unsqueeze(0);
  CHECK(heavy_hitters::stay(score, three).equal(stays));
  const at::Tensor blind = at::full({1, 1, 1, 6}, -1e9, kWide);  // a last token that sees itself
  blind.select(3, 5).fill_(0);
  for (const auto& evict : {heavy_hitters::evict_in_turn, heavy_hitters::evict_in_turn_naive})
    CHECK(evict(blind, score.slice(1, 0, 5), three).kept.equal(stays));
}

TEST_CASE("policies see each row of a batch alone", "[contract]") {
  at::manual_seed(9);
  at::NoGradGuard no_grad;
  const Tokens tokens = random_tokens({25, 25, 12});
  for (const auto& policy : {streaming(2, 5), h2o(3, 4)}) {
    const Asked asked(policy);
    const at::Tensor together = asked(tokens);
    for (int64_t b = 0; b < 3; ++b) {
      std::vector<int64_t> take(3, 0);
      take[b] = tokens.rows->length(b);
      const int64_t begin = tokens.rows->begin(b);
      CHECK(difference(asked(tokens.part({0, 0, 0}, take)),
                       together.slice(0, begin, begin + take[b])) < 1e-12);
    }
  }
}

TEST_CASE("a forked cache of a policy goes on by itself", "[contract]") {
  at::manual_seed(10);
  at::NoGradGuard no_grad;
  const Tokens tokens = random_tokens({30, 30}, true);
  for (const auto& policy : {streaming(2, 5), h2o(3, 4), h2o_prompt(0.2, 0.2)}) {
    const Asked asked(policy);
    const auto state = asked.cache(2), alone = asked.cache(2);
    asked(tokens.part({0, 0}, {14, 11}), state.get());
    asked(tokens.part({0, 0}, {14, 11}), alone.get());
    const auto fork = state->fork({1, 0});
    const int64_t bytes = state->n_bytes();
    const Tokens more = tokens.part({14, 11}, {9, 9});
    const at::Tensor expected = asked(more, alone.get());
    asked(tokens.part({11, 14}, {3, 4}), fork.get());  // moves the fork, and nothing else
    CHECK(state->n_bytes() == bytes);
    CHECK(difference(asked(more, state.get()), expected) < 1e-12);
    REQUIRE(state->clear());
    CHECK(state->n_bytes() == 0);
    CHECK(state->n_tokens(0) == 0);
    asked(tokens.part({0, 0}, {14, 11}), state.get());
    CHECK(difference(asked(more, state.get()), expected) < 1e-12);
  }
}
