// StreamingLLM against a list of tokens.
#include "tests/baselines/kv_policies.h"

using namespace sublab;

namespace {

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
      const Asked asked(streaming_policy(sinks, window));
      const at::Tensor truth = streaming_truth(tokens, *asked.parts().rope, sinks, window);
      const at::Tensor whole = asked(tokens);
      CHECK(difference(whole, truth) < 1e-12);
      check_gradients(tokens, truth, whole);
      check_steps(asked, tokens, truth);
    }
  const Tokens equal = random_tokens({30, 30, 30});
  const Asked asked(streaming_policy(2, 4));
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
  const Asked asked(streaming_policy(2, 4), rope);
  const Tokens tokens = random_tokens(kLengths);
  const at::Tensor truth = streaming_truth(tokens, *rope, 2, 4);
  CHECK(difference(asked(tokens), truth) < 1e-12);
  check_steps(asked, tokens, truth);
}
