// Attention in blocks, joined by log-sums: values and gradients against all keys at once.
#include "models/parts/partial_attention.h"

#include <torch/csrc/autograd/autograd.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/models/small_models.h"

using namespace sublab;

namespace {

struct Heads {
  Heads(int64_t n, int64_t t, int64_t kv_heads, at::ScalarType type, double size = 1)
      : q((size * at::randn({n, 6, 5}, type)).requires_grad_()),
        k((size * at::randn({t, kv_heads, 5}, type)).requires_grad_()),
        v(at::randn({t, kv_heads, 5}, type).requires_grad_()) {}
  at::Tensor q, k, v;

  /// Gradients of a sum over both results with fixed random weights.
  std::vector<at::Tensor> gradients(const AttentionPartial& part) const {
    at::manual_seed(17);
    const at::Tensor a = at::randn(part.out.sizes(), part.out.options().requires_grad(false)),
                     b = at::randn(part.log_sum_of_exp.sizes(), a.options());
    const at::Tensor seen = part.log_sum_of_exp.masked_fill(part.log_sum_of_exp.eq(-INFINITY), 0);
    return torch::autograd::grad({(part.out * a).sum() + (seen * b).sum()}, {q, k, v}, {},
                                 /*retain_graph=*/true, /*create_graph=*/false,
                                 /*allow_unused=*/true);
  }
};

void check_same(const Heads& heads, const AttentionPartial& got, const AttentionPartial& truth,
                double tolerance) {
  const auto finite = [](const at::Tensor& x) { return x.masked_fill(x.eq(-INFINITY), 0); };
  CHECK(max_difference(got.out, truth.out) < tolerance);
  CHECK(got.log_sum_of_exp.eq(-INFINITY).equal(truth.log_sum_of_exp.eq(-INFINITY)));
  CHECK(max_difference(finite(got.log_sum_of_exp), finite(truth.log_sum_of_exp)) < tolerance);
  const auto expected = heads.gradients(truth), gradients = heads.gradients(got);
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("gradient " << i);
    REQUIRE(gradients[i].defined());
    CHECK(gradients[i].isfinite().all().item<bool>());
    CHECK(max_difference(gradients[i], expected[i]) < 4 * tolerance);
  }
}

at::Tensor hidden_by(const at::Tensor& q_ordinals, const at::Tensor& k_ordinals) {
  return k_ordinals.unsqueeze(0).gt(q_ordinals.unsqueeze(1));
}

const std::pair<at::ScalarType, double> kTypes[] = {{at::kFloat, 1e-5}, {at::kDouble, 1e-12}};

}  // namespace

TEST_CASE("a block of attention and its log-sum have the gradients of plain operators",
          "[numerics]") {
  at::manual_seed(2);
  for (const auto& [type, tolerance] : kTypes)
    for (const int64_t kv_heads : {1, 2, 6})
      for (const auto& [n, t] : std::vector<std::pair<int64_t, int64_t>>{{7, 7}, {1, 9}, {33, 5}}) {
        INFO(n << " queries, " << t << " keys, " << kv_heads << " key heads");
        const Heads heads(n, t, kv_heads, type);
        const at::Tensor none = at::zeros({n, t}, at::kBool);
        check_same(heads, attend_block(heads.q, heads.k, heads.v, Visible::all),
                   attend_block_naive(heads.q, heads.k, heads.v, none), tolerance);
        if (n != t) continue;
        check_same(heads, attend_block(heads.q, heads.k, heads.v, Visible::causal),
                   attend_block_naive(heads.q, heads.k, heads.v, none.logical_not().triu(1)),
                   tolerance);
      }
}

TEST_CASE("merged blocks are the whole, values and gradients, however keys are cut", "[numerics]") {
  at::manual_seed(3);
  constexpr int64_t kTokens = 21;
  const at::Tensor all = at::arange(kTokens, at::kLong);
  for (const auto& [type, tolerance] : kTypes)
    for (const int64_t kv_heads : {2, 6})
      for (const double size : {1.0, 6.0})
        for (const std::vector<int64_t>& cuts : std::vector<std::vector<int64_t>>{
                 {0, 21}, {0, 1, 21}, {0, 0, 8, 8, 20, 21}, {0, 5, 10, 15, 21}}) {
          INFO(kv_heads << " key heads, logits of size " << size * size);
          const Heads heads(kTokens, kTokens, kv_heads, type, size);
          std::vector<AttentionPartial> parts;
          for (size_t i = 0; i + 1 < cuts.size(); ++i) {
            const auto of = [&](const at::Tensor& x) { return x.slice(0, cuts[i], cuts[i + 1]); };
            parts.push_back(attend_block(heads.q, of(heads.k), of(heads.v), all, of(all)));
          }
          check_same(heads, merge(parts),
                     attend_block_naive(heads.q, heads.k, heads.v, hidden_by(all, all)),
                     tolerance * size * size);
        }
}

TEST_CASE("blocks by ordinals: contiguous, striped, zigzag, shuffled", "[numerics]") {
  at::manual_seed(4);
  const auto from = [](int64_t begin, int64_t end, int64_t step) {
    return at::arange(begin, end, step, at::kLong);
  };
  const std::vector<std::pair<at::Tensor, at::Tensor>> cases = {
      {from(0, 9, 1), from(9, 18, 1)},   // all hidden
      {from(9, 18, 1), from(0, 9, 1)},   // all seen
      {from(0, 36, 4), from(1, 36, 4)},  // strictly causal
      {from(3, 36, 4), from(0, 33, 4)},  // causal
      {at::cat({from(0, 5, 1), from(15, 20, 1)}), at::cat({from(5, 15, 1)})},
      {at::cat({from(5, 10, 1), from(10, 15, 1)}), at::cat({from(0, 5, 1), from(15, 20, 1)})},
      {from(4, 13, 1), from(0, 13, 1)},  // past and own
      {from(0, 40, 1), from(0, 40, 2)},  // too many stairs
      {at::randperm(19, at::kLong), at::randperm(19, at::kLong)}};
  for (const auto& [type, tolerance] : kTypes)
    for (const auto& [q, k] : cases) {
      const Heads heads(q.numel(), k.numel(), 3, type);
      // A query that sees nothing of this block still meets all keys once elsewhere.
      check_same(heads,
                 merge({attend_block(heads.q, heads.k, heads.v, q, k),
                        attend_block(heads.q, heads.k, heads.v, Visible::all)}),
                 merge({attend_block_naive(heads.q, heads.k, heads.v, hidden_by(q, k)),
                        attend_block_naive(heads.q, heads.k, heads.v,
                                           at::zeros({q.numel(), k.numel()}, at::kBool))}),
                 tolerance);
      const AttentionPartial alone = attend_block(heads.q, heads.k, heads.v, q, k);
      CHECK(alone.out.isfinite().all().item<bool>());
    }
}

TEST_CASE("blocks without keys, and queries that see nothing anywhere, merge without NaN",
          "[numerics]") {
  at::manual_seed(5);
  const Heads heads(4, 4, 2, at::kDouble);
  const auto of = [&](int64_t n) { return heads.k.slice(0, 0, n); };
  const AttentionPartial empty = attend_block(heads.q, of(0), of(0), Visible::all);
  CHECK(attend_block_naive(heads.q, of(0), of(0), at::zeros({4, 0}, at::kBool))
            .log_sum_of_exp.equal(empty.log_sum_of_exp));
  CHECK(empty.out.eq(0).all().item<bool>());
  CHECK(empty.log_sum_of_exp.eq(-INFINITY).all().item<bool>());
  const AttentionPartial hidden =
      attend_block_naive(heads.q, heads.k, heads.v, at::ones({4, 4}, at::kBool));
  const AttentionPartial nothing = merge({empty, hidden, empty});
  CHECK(nothing.out.eq(0).all().item<bool>());
  CHECK(nothing.log_sum_of_exp.eq(-INFINITY).all().item<bool>());
  for (const at::Tensor& gradient : heads.gradients(nothing)) {
    REQUIRE(gradient.defined());
    CHECK(gradient.eq(0).all().item<bool>());
  }
  check_same(heads, merge({empty, attend_block(heads.q, heads.k, heads.v, Visible::all), hidden}),
             attend_block_naive(heads.q, heads.k, heads.v, at::zeros({4, 4}, at::kBool)), 1e-12);
}

TEST_CASE("partial results of narrow numbers are kept wide", "[numerics]") {
  const Heads heads(3, 3, 6, at::kBFloat16);
  const AttentionPartial part = attend_block(heads.q, heads.k, heads.v, Visible::causal);
  CHECK(part.out.scalar_type() == at::kFloat);
  CHECK(part.log_sum_of_exp.scalar_type() == at::kFloat);
}
