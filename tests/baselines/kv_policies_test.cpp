// What holds for every cache policy that evicts.
#include "tests/baselines/kv_policies.h"

using namespace sublab;

TEST_CASE("a budget of the row's tokens is attention to all, a smaller one is kept at every step",
          "[contract]") {
  at::manual_seed(7);
  at::NoGradGuard no_grad;
  const Tokens tokens = random_tokens(kLengths, true, true);
  const at::Tensor dense = Asked(full_kv_policy())(tokens);
  for (const auto& policy : {streaming_policy(3, 20), streaming_policy(0, 23), heavy_policy(22, 1),
                             heavy_policy(0, 23), prompt_policy(0.5, 0.5)})
    CHECK(difference(Asked(policy)(tokens), dense) < 1e-12);
  for (const auto& [policy, most] :
       {std::pair(streaming_policy(2, 5), 7), std::pair(heavy_policy(3, 4), 7),
        std::pair(streaming_policy(0, 1), 1), std::pair(heavy_policy(0, 1), 1)}) {
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
  for (const auto& policy : {streaming_policy(2, 5), streaming_policy(0, 3), heavy_policy(3, 4),
                             heavy_policy(0, 1), prompt_policy(0.3, 0.2)})
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
    for (const auto& policy : {streaming_policy(2, 5), heavy_policy(3, 4)}) {
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

TEST_CASE("policies see each row of a batch alone", "[contract]") {
  at::manual_seed(9);
  at::NoGradGuard no_grad;
  const Tokens tokens = random_tokens({25, 25, 12});
  for (const auto& policy : {streaming_policy(2, 5), heavy_policy(3, 4)}) {
    const Asked asked(policy);
    const at::Tensor together = asked(tokens);
    const auto singly = [](int64_t, int64_t) -> int64_t { return 1; };
    CHECK(difference(asked.in_steps(tokens, singly), together) < 1e-12);
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
  for (const auto& policy : {streaming_policy(2, 5), heavy_policy(3, 4), prompt_policy(0.2, 0.2)}) {
    const Asked asked(policy);
    const auto state = asked.cache(2), alone = asked.cache(2);
    asked(tokens.part({0, 0}, {14, 11}), state.get());
    asked(tokens.part({0, 0}, {14, 11}), alone.get());
    const auto fork = state->fork({1, 0}), twin = state->fork({0, 1});
    const int64_t bytes = state->n_bytes();
    const Tokens more = tokens.part({14, 11}, {9, 9});
    const at::Tensor expected = asked(more, alone.get());
    CHECK(difference(asked(more, twin.get()), expected) < 1e-12);
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
