// H2O against a loop over tokens and key heads.
#include "baselines/kv_policies/heavy_hitters.h"
#include "tests/baselines/kv_policies.h"

using namespace sublab;
using heavy_hitters::Budget;

namespace {

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

}  // namespace

TEST_CASE("h2o gives what a loop over tokens gives, for each key head", "[numerics]") {
  at::manual_seed(5);
  for (const auto& [heavy, recent] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {1, 1}, {3, 4}, {5, 1}, {0, 6}, {40, 30}})
    for (const bool biased : {false, true}) {
      INFO(heavy << " heavy, " << recent << " recent" << (biased ? ", biased" : ""));
      const Tokens tokens = random_tokens(kLengths, true, biased);
      const Asked asked(heavy_policy(heavy, recent));
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
    const Asked asked(heavy_policy(6, 5));
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
  const Asked asked(prompt_policy(0.2, 0.1)), full(full_kv_policy());
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
  const at::Tensor score = at::tensor({2.0, 1.0, 5.0, 1.0, 0.0, 0.0}, kWide).unsqueeze(0);
  const Budget three{3, 2};
  const at::Tensor stays = at::tensor({0, 1, 2, 4, 5}, at::kLong).unsqueeze(0);
  CHECK(heavy_hitters::stay(score, three).equal(stays));
  const at::Tensor blind = at::full({1, 1, 1, 6}, -1e9, kWide);  // a last token that sees itself
  blind.select(3, 5).fill_(0);
  for (const auto& evict : {heavy_hitters::evict_in_turn, heavy_hitters::evict_in_turn_naive})
    CHECK(evict(blind, score.slice(1, 0, 5), three).kept.equal(stays));
}
